//! The harness and the oracles, on this machine: each need that is met does what its tests will want of it.

use skep_testkit::oracle::{BpfFs, bpftool, compile_c};
use skep_testkit::{Harness, Need};
use std::fs;

fn main() {
    Harness::from_args()
        .case("clang_compiles_for_bpf", &[Need::Clang], compiles)
        .case("bpftool_lists", &[Need::Oracle, Need::Bpftool], lists)
        .case("bpffs_is_mounted_and_removed", &[Need::Oracle], mounts)
        .case("qemu_is_there", &[Need::Qemu], || {})
        .case("netns_can_be_made", &[Need::Netns], || {})
        .case("tun_can_be_opened", &[Need::Tun], || {})
        .case("afxdp_is_there", &[Need::AfXdp], || {})
        .run();
}

fn compiles() {
    let object = compile_c("int answer(void) { return 42; }");
    assert_eq!(object.get(..4), Some(&b"\x7fELF"[..]));
}

fn lists() {
    let output = bpftool(["prog", "list"]);
    assert!(output.status.success(), "{output:?}");
}

fn mounts() {
    let mount = BpfFs::mount();
    let path = mount.to_owned();
    let is_mounted = || {
        let mounts = fs::read_to_string("/proc/self/mounts");
        mounts.is_ok_and(|text| text.contains(&format!("{} bpf", path.display())))
    };
    assert!(is_mounted());
    drop(mount);
    assert!(!is_mounted() && !path.exists());
}
