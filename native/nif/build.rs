//! Names the Elixir module that this library belongs to, and keeps the library mapped until its last thread has ended.

use std::env;
use std::fs;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    name_the_module();
    link();
}

/// `lib/libcluster_kubernetes/native/library.ex` says why the version is in the name.
fn name_the_module() {
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let suffix = version.replace(|character: char| !character.is_ascii_alphanumeric(), "_");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let init = format!("rustler::init!(\"Elixir.LibclusterKubernetes.Native.V{suffix}\");\n");
    fs::write(out_dir.join("init.rs"), init).expect("OUT_DIR can be written to");
}

fn link() {
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // The library must stay mapped until its last thread has ended, which can be after the VM let go of it.
        // `-z nodelete`: dlclose() leaves the library in place (ld(1)). macOS does so for every library with
        // thread-locals, which Rust's standard library has.
        Ok("linux" | "android" | "freebsd" | "netbsd" | "openbsd" | "dragonfly") => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
        // The VM provides the NIF functions at load time.
        Ok("macos") => {
            println!("cargo::rustc-cdylib-link-arg=-undefined");
            println!("cargo::rustc-cdylib-link-arg=dynamic_lookup");
        }
        _ => {}
    }
}
