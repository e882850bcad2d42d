//! Compiles `guest/`, the program that runs inside containers, so that the daemon carries it.

use std::path::Path;
use std::process::Command;

const SOURCE: &str = "../guest/main.rs";

fn main() {
    println!("cargo::rerun-if-changed=../guest");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    let status = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "bin", "--target", &target])
        .args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "strip=symbols"])
        .args(["-C", "lto=fat", "-C", "codegen-units=1", "-C", "target-feature=+crt-static"])
        .arg("-o")
        .args([Path::new(&out).join("guest").as_path(), Path::new(SOURCE)])
        .status()
        .unwrap_or_else(|error| panic!("rustc {SOURCE}: {error}"));
    assert!(status.success(), "rustc {SOURCE}: {status}");
}
