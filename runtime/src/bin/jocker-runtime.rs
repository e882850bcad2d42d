//! The OCI runtime as a program of its own; all of it is in [`runtime::command`].

fn main() -> std::process::ExitCode {
    runtime::command::main()
}
