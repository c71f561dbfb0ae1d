//! `helenus demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
pub(super) fn run(_args: Args) -> i32 {
    0
}
