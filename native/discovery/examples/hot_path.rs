//! Runs one hot function so many times: `hot_path NAME TIMES`. For `bench/instructions`, and for profilers.

#[path = "../benches/workload/mod.rs"]
mod workload;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let times = arguments.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    let all = workload::all();
    let Some((_, prepare)) = all.iter().find(|(known, _)| *known == name) else {
        let known = all.map(|(known, _)| known).join(", ");
        panic!("no hot function is called {name:?}: {known}");
    };
    let mut run = prepare();
    for _ in 0..times {
        run();
    }
}
