//! Which module of a crate imports which.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Module, Paths, Written, lex, without_tests};

/// Which module imports which, tests aside.
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) files: BTreeMap<Module, String>,
    /// What a module calls by a name that it did not define.
    names: BTreeMap<(Module, String), Written>,
    pub(crate) imports: BTreeMap<Module, BTreeSet<Module>>,
}

impl Layout {
    pub(crate) fn of(sources: &[(&str, &str)]) -> Self {
        let mut layout = Self::default();
        let mut paths = Vec::new();
        let mut tests = BTreeSet::new();
        for (file, text) in sources {
            let module = module_of(file);
            let tokens = without_tests(&lex(text), |name| {
                tests.insert([&*module, &[name.to_owned()]].concat());
            });
            paths.push((module.clone(), Paths::of(&module, &tokens)));
            layout.files.insert(module, (*file).to_owned());
        }
        let for_tests = |module: &Module| (1..=module.len()).any(|end| tests.contains(&module[..end]));
        layout.files.retain(|module, _| !for_tests(module));
        paths.retain(|(module, _)| !for_tests(module));
        for (_, found) in &mut paths {
            layout.names.append(&mut found.names);
        }
        for (module, found) in paths {
            let used = found
                .written
                .iter()
                .filter_map(|(from, path)| layout.resolve(from, path, 8));
            let used: BTreeSet<_> = used.filter(|used| *used != module).collect();
            if !used.is_empty() {
                layout.imports.insert(module, used);
            }
        }
        layout
    }

    /// The module in which that is defined which a path names; nothing when it is outside of the crate. A name may stand
    /// for another so often: `use x::x` is no way to go round for ever.
    fn resolve(&self, from: &[String], path: &[String], hops: u8) -> Option<Module> {
        let mut at = from.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Module::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            name if self.files.contains_key(&[from, &[name.to_owned()]].concat()) => {}
            name if self.names.contains_key(&(at.clone(), name.to_owned())) => {}
            _ => return None,
        }
        for (index, name) in rest.iter().enumerate() {
            let inner = [&*at, std::slice::from_ref(name)].concat();
            if self.files.contains_key(&inner) {
                at = inner;
            } else if let Some((from, path)) = self.names.get(&(at.clone(), name.clone())).filter(|_| hops > 0) {
                // A name that this module has from another one.
                return self.resolve(from, &[path, &rest[index + 1..]].concat(), hops - 1);
            } else {
                break;
            }
        }
        while !self.files.contains_key(&at) {
            at.pop()?;
        }
        Some(at)
    }

    pub(crate) fn file(&self, module: &Module) -> &str {
        &self.files[module]
    }
}

pub(crate) fn module_of(file: &str) -> Module {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let names = path.split('/').map(str::to_owned);
    names.filter(|name| name != "lib").collect()
}
