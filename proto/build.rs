//! Generates the gRPC code from `grpc/*.proto`, in pure Rust: no protoc on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["peer.proto", "client.proto", "admin.proto"], ["grpc"])?;
    tonic_prost_build::configure().bytes(".").btree_map(".").compile_fds(files)?;
    println!("cargo:rerun-if-changed=grpc");
    Ok(())
}
