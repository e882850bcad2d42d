//! Compiles `guest/`, the program that runs inside containers, and packs it, so that the daemon carries it.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

const SOURCE: &str = "../guest/main.rs";

fn main() {
    println!("cargo::rerun-if-changed=../guest");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let program = Path::new(&out).join("guest");
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    let status = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "bin", "--target", &target])
        .args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "strip=symbols"])
        .args(["-C", "lto=fat", "-C", "codegen-units=1", "-C", "target-feature=+crt-static"])
        .arg("-o")
        .args([program.as_path(), Path::new(SOURCE)])
        .status()
        .unwrap_or_else(|error| panic!("rustc {SOURCE}: {error}"));
    assert!(status.success(), "rustc {SOURCE}: {status}");
    pack(&program).unwrap_or_else(|error| panic!("{program:?}: {error}"));
}

fn pack(program: &Path) -> std::io::Result<()> {
    let packed = std::fs::File::create(program.with_extension("gz"))?;
    let mut packer = GzEncoder::new(packed, Compression::best());
    packer.write_all(&std::fs::read(program)?)?;
    packer.finish()?;
    Ok(())
}
