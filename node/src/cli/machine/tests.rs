#![expect(clippy::disallowed_methods, reason = "a test lays out a small machine on the disk")]

use super::*;

/// A machine with these files.
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");

#[test]
fn the_least_of_machine_and_cgroups_holds() {
    let alone = machine(&[MEMINFO]);
    let found = memory_below(alone.path());
    assert_eq!((found.bytes, found.source.as_str()), (16 << 30, "the machine"));
    assert_eq!(found.budget(), 4 << 30);

    let two = machine(&[
        MEMINFO,
        ("proc/self/cgroup", "0::/system.slice/helenus.service\n"),
        ("sys/fs/cgroup/system.slice/helenus.service/memory.max", "max\n"),
        ("sys/fs/cgroup/system.slice/memory.max", "2147483648\n"),
    ]);
    let found = memory_below(two.path());
    let source = "cgroup /sys/fs/cgroup/system.slice/memory.max";
    assert_eq!((found.bytes, found.source.as_str()), (2 << 30, source));

    let one = machine(&[
        MEMINFO,
        ("proc/self/cgroup", "5:cpu,memory:/docker/abc\n4:cpuset:/x\n"),
        ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
    ]);
    assert_eq!(memory_below(one.path()).bytes, 1 << 30);

    let container = machine(&[
        MEMINFO,
        ("proc/self/cgroup", "0::/\n"),
        ("sys/fs/cgroup/memory.max", "104857600\n"),
    ]);
    let found = memory_below(container.path());
    assert_eq!(
        (found.bytes, found.budget()),
        (100 << 20, 64 << 20),
        "never less than a node needs"
    );

    let nothing = machine(&[]);
    assert_eq!(memory_below(nothing.path()).bytes, 4 << 30);
}

#[test]
fn too_few_files_are_told_and_far_too_few_refused() {
    let few = judge_files(100, 100, None).unwrap_err();
    assert!(few.contains("100") && few.contains("256") && few.contains("LimitNOFILE"), "{few}");
    assert!(judge_files(1024, 1024, None).unwrap().warning.is_some());
    assert!(judge_files(1024, 1024, Some(1024)).unwrap().warning.is_none(), "it was chosen");
    assert!(judge_files(1024, 1024, Some(2048)).unwrap().warning.is_some());
    assert_eq!(judge_files(1 << 20, 1 << 20, None), Ok(Files { limit: 1 << 20, warning: None }));
}
