//! Compiles the two programs of `guest/` that run inside containers, so that the daemon carries them:
//! `init` (for `--init`) and `hello` (the embedded image). Each is one source file without dependencies,
//! linked statically, because a container's root file system has no libraries to offer.

use std::path::Path;
use std::process::Command;

fn main() {
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for program in ["init", "hello"] {
        let source = format!("../guest/{program}.rs");
        println!("cargo::rerun-if-changed={source}");
        compile(Path::new(&source), &Path::new(&out).join(program));
    }
}

fn compile(source: &Path, output: &Path) {
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    let status = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "bin", "--target", &target])
        .args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "strip=symbols"])
        .args(["-C", "lto=fat", "-C", "codegen-units=1", "-C", "target-feature=+crt-static"])
        .arg("-o")
        .args([output, source])
        .status()
        .unwrap_or_else(|error| panic!("rustc {}: {error}", source.display()));
    assert!(status.success(), "rustc {}: {status}", source.display());
}
