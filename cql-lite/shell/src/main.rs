//! The program `cql-lite`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let options = shell::Options::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error[HX9001]: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(shell::run(options));
    // A thread may still wait for the keyboard: nobody waits for it.
    runtime.shutdown_background();
    ExitCode::from(code)
}
