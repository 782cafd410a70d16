//! Which programs may be attached to interfaces, and how, as far as the machine decides it.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_machine::{Attach, Attached, Config, Connection, Machine, Peer, Ports, PortsError};
use skep_uapi::{
    AttachType, Bpf, Command, Errno, Existing, Handle, NetAttach, NetDevice, NetDeviceAdd, NetLive,
    ProgLoad, ProgType, Reply, Value, XdpMode,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Takes every program; counts them.
#[derive(Debug, Default)]
struct Willing(AtomicU32);

impl Ports for Willing {
    fn attach(&self, _machine: &Arc<Machine>, _attach: &Attach) -> Result<(), PortsError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn detach(&self, _ifindex: u32) -> Result<Option<NetLive>, PortsError> {
        Ok(None)
    }

    fn query(&self) -> Vec<Attached> {
        Vec::new()
    }

    fn device_add(&self, device: &NetDeviceAdd) -> Result<u32, PortsError> {
        Err(PortsError {
            errno: Errno::EACCES,
            why: device.name.clone(),
        })
    }

    fn device_delete(&self, name: &str) -> Result<(), PortsError> {
        Err(PortsError {
            errno: Errno::ENODEV,
            why: name.to_owned(),
        })
    }

    fn devices(&self) -> Vec<NetDevice> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

fn load(connection: &Connection, expected_attach_type: AttachType) -> Handle {
    let reply = connection.call(Command::ProgLoad(Box::new(ProgLoad {
        prog_type: ProgType::XDP,
        expected_attach_type,
        insns: skep_isa::text::assemble("r0 = 2\nexit").unwrap().to_bytes(),
        license: "GPL".to_owned(),
        ..ProgLoad::default()
    })));
    match reply.result {
        Ok(Value::Handle(handle)) => handle,
        other => panic!("{other:?}: {}", reply.log),
    }
}

fn attach(connection: &Connection, prog: Handle, mode: XdpMode) -> Reply {
    connection.call(Command::NetAttach(NetAttach {
        prog,
        ifindex: 7,
        mode,
        existing: Existing::Keep,
        via: None,
    }))
}

#[test]
fn programs_for_map_entries_are_refused() {
    let ports = Arc::<Willing>::default();
    let machine = Machine::new(Config {
        ports: Some(Arc::clone(&ports) as Arc<dyn Ports>),
        ..Config::of_host()
    });
    let connection = machine.connect(Peer::this_process());
    for other in [AttachType::XDP_DEVMAP, AttachType::XDP_CPUMAP] {
        let prog = load(&connection, other);
        let reply = attach(&connection, prog, XdpMode::Any);
        assert_eq!(reply.result, Err(Errno::EINVAL), "{other:?}");
        assert!(!reply.log.is_empty());
    }
    let prog = load(&connection, AttachType::XDP);
    let reply = attach(&connection, prog, XdpMode::Offload);
    assert_eq!(reply.result, Err(Errno::EINVAL));
    let reply = attach(&connection, Handle(u32::MAX), XdpMode::Any);
    assert_eq!(reply.result, Err(Errno::EBADF));
    assert_eq!(ports.0.load(Ordering::Relaxed), 0);
    assert_eq!(
        attach(&connection, prog, XdpMode::Any).result,
        Ok(Value::Unit)
    );
    assert_eq!(ports.0.load(Ordering::Relaxed), 1);
}
