//! The library must stay mapped until its last thread has ended, which can be after the VM let go of it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
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
