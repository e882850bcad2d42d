//! The smallest program that can be the launcher: the tests start it by `Launcher::spawn_from`.

fn main() {
    runtime::launch::launcher_main()
}
