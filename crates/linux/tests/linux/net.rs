//! What can be asked of rtnetlink without attaching anything. Attaching itself is compared with bpftool's in namespaces of their
//! own, by the tests of the command line.

use crate::commands::load_hello;
use crate::{content, err, ok};
use skep_linux::LinuxBpf;
use skep_uapi::{
    Bpf, Command, Errno, Existing, Handle, NetAttach, NetDeviceAdd, Value, Via, XdpMode,
};

/// Number of an interface that no namespace has.
const NO_INTERFACE: u32 = i32::MAX.cast_unsigned();

fn attach(prog: Handle, ifindex: u32, via: Option<Via>) -> Command {
    Command::NetAttach(NetAttach {
        prog,
        ifindex,
        mode: XdpMode::Any,
        existing: Existing::Keep,
        via,
    })
}

pub(crate) fn refusals() {
    let bpf = LinuxBpf::new();
    let (xdp, ..) = load_hello(&bpf);
    for index in [0, NO_INTERFACE, u32::MAX] {
        assert_eq!(
            err(&bpf, attach(xdp, index, None)),
            Errno::ENODEV,
            "{index}"
        );
        let mode = XdpMode::Generic;
        let detach = Command::NetDetach {
            ifindex: index,
            mode,
        };
        assert_eq!(err(&bpf, detach), Errno::ENODEV, "{index}");
    }
    let stale = Handle(99);
    assert_eq!(err(&bpf, attach(stale, NO_INTERFACE, None)), Errno::EBADF);
    assert_eq!(err(&bpf, Command::LinkDetach { link: stale }), Errno::EBADF);
    assert_eq!(err(&bpf, Command::LinkDetach { link: xdp }), Errno::EINVAL);
    let reply = bpf.call(attach(xdp, 1, Some(Via::Tun)));
    assert_eq!(reply.result, Err(Errno::EOPNOTSUPP));
    assert!(reply.log.contains("'tun'"), "{}", reply.log);
    let device = NetDeviceAdd {
        name: "skeptest".to_owned(),
        peer: None,
    };
    assert_eq!(err(&bpf, Command::NetDeviceAdd(device)), Errno::EOPNOTSUPP);
}

pub(crate) fn listing() {
    let bpf = LinuxBpf::new();
    let attached = content!(ok(&bpf, Command::NetQuery), Value::NetAttached);
    let numbers: Vec<u32> = attached.iter().map(|attached| attached.ifindex).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    for attached in attached {
        assert_eq!(attached.link_id, None);
        assert_eq!(attached.live, None);
        assert_ne!(attached.mode, XdpMode::Any);
    }
}
