//! Linux's own XDP.

use crate::{errno, ip, pair};
use serde_json::Value;
use skep_sys::bpf::{Name, ProgLoad, prog_info, prog_load};
use skep_sys::netlink::{Cause, IfIndex, Netlink, XdpAttach, XdpMode, XdpUpdate, rx_metadata};
use std::os::fd::{AsFd, OwnedFd};

/// An XDP program that passes everything.
fn pass(number: u8) -> OwnedFd {
    const XDP: u32 = 6;
    // `r0 = 2; exit`
    let insns = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let name = Name::new(&format!("skep_pass{number}")).unwrap();
    let load = ProgLoad::new(XDP, &insns, c"GPL", name);
    prog_load(load).unwrap()
}

/// What the driver tells: veth tells of tags since Linux 6.8.
pub(crate) fn metadata() {
    let mut netlink = Netlink::open().unwrap();
    let x = pair(&mut netlink, "x", "y").index;
    // Older kernels do not know the question.
    if let Ok(told) = rx_metadata(x) {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = kernel.split('.').map(|number| number.parse().unwrap_or(0));
        let version: [u32; 2] = [(); 2].map(|()| numbers.next().unwrap());
        assert_eq!(told.has_vlan_tag(), version >= [6, 8], "{kernel} {told:?}");
    }
    let error = rx_metadata(IfIndex::new(0x7fff_0000).unwrap()).unwrap_err();
    assert!(matches!(error.cause, Cause::Refused { .. }), "{error}");
}

/// Linux's own XDP, with programs that do nothing.
pub(crate) fn xdp() {
    let mut netlink = Netlink::open().unwrap();
    let x = pair(&mut netlink, "x", "y").index;
    let programs = [1, 2].map(pass);
    let [first, second] = [&programs[0], &programs[1]].map(|fd| {
        let id = prog_info(fd.as_fd()).unwrap().id;
        (fd.as_fd(), id)
    });
    for (mode, shown) in [(XdpMode::Generic, 2), (XdpMode::Driver, 1)] {
        let attach = |program, update| XdpAttach {
            program,
            mode: Some(mode),
            update,
        };
        let on = |netlink: &mut Netlink| {
            let state = netlink.xdp_query(x).unwrap().unwrap();
            let programs: Vec<_> = state.programs().collect();
            programs
        };
        let one = attach(Some(first.0), XdpUpdate::IfNone);
        netlink.xdp_attach(x, &one).unwrap();
        assert_eq!(on(&mut netlink), [(mode, first.1)]);
        assert_eq!(ip("x")["xdp"]["mode"], shown);
        assert_eq!(ip("x")["xdp"]["prog"]["id"], first.1);
        assert_eq!(errno(netlink.xdp_attach(x, &one)), Some(libc::EBUSY));
        let wrong = attach(Some(second.0), XdpUpdate::Replace(second.0));
        assert_eq!(errno(netlink.xdp_attach(x, &wrong)), Some(libc::EEXIST));
        let right = attach(Some(second.0), XdpUpdate::Replace(first.0));
        netlink.xdp_attach(x, &right).unwrap();
        assert_eq!(on(&mut netlink), [(mode, second.1)]);
        let over = attach(Some(first.0), XdpUpdate::Overwrite);
        netlink.xdp_attach(x, &over).unwrap();
        assert_eq!(on(&mut netlink), [(mode, first.1)]);
        netlink
            .xdp_attach(x, &attach(None, XdpUpdate::Overwrite))
            .unwrap();
        assert_eq!(on(&mut netlink), []);
        assert_eq!(ip("x")["xdp"], Value::Null);
    }
    // The kernel's own words.
    let of = |mode| XdpAttach {
        program: Some(first.0),
        mode: Some(mode),
        update: XdpUpdate::Overwrite,
    };
    netlink.xdp_attach(x, &of(XdpMode::Generic)).unwrap();
    let error = netlink.xdp_attach(x, &of(XdpMode::Driver)).unwrap_err();
    let text = "Native and generic XDP can't be active at the same time";
    let expected = Cause::Refused {
        errno: libc::EEXIST,
        text: Some(text.to_owned()),
    };
    assert_eq!(error.cause, expected);
    netlink.delete_link(x).unwrap();
    assert_eq!(netlink.xdp_query(x).unwrap(), None);
}
