//! Generates the gRPC code from `grpc/*.proto`, in pure Rust: no protoc on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["peer.proto", "client.proto", "admin.proto"], ["grpc"])?;
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    println!("cargo:rerun-if-changed=grpc");
    Ok(())
}
