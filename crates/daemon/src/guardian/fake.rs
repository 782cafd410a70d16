//! A kernel for tests: links by name, and interface 3 with a clsact and filters of cookie `us`.

use skep_net::live::{Direction, FoundFilter, Kernel, KernelError, Undo};

const COOKIE: &[u8] = b"us";

#[derive(Debug, Default)]
pub(crate) struct FakeKernel {
    links: Vec<String>,
    clsact: bool,
    filters: Vec<u32>,
    /// What is refused, and how many times more.
    pub(crate) busy: Vec<(String, u32)>,
    pub(crate) deleted: Vec<String>,
}

/// The entry for a device.
pub(crate) fn link(name: &str) -> Undo {
    Undo::DeleteLink {
        name: name.to_owned(),
    }
}

/// The entry for a filter on interface 3.
pub(crate) fn filter(handle: u32) -> Undo {
    Undo::DeleteFilter {
        ifindex: 3,
        direction: Direction::Ingress,
        preference: 1,
        handle,
        cookie: COOKIE.to_vec(),
    }
}

impl FakeKernel {
    pub(crate) fn with(links: &[&str], clsact: bool, filters: &[u32]) -> Self {
        Self {
            links: links.iter().map(|&link| link.to_owned()).collect(),
            clsact,
            filters: filters.to_vec(),
            ..Self::default()
        }
    }

    fn delete(&mut self, what: String) -> Result<(), KernelError> {
        if let Some((_, left)) = self.busy.iter_mut().find(|(busy, _)| *busy == what)
            && *left > 0
        {
            *left -= 1;
            return Err(KernelError {
                errno: Some(16),
                text: "busy".to_owned(),
            });
        }
        self.deleted.push(what);
        Ok(())
    }
}

impl Kernel for FakeKernel {
    fn link_index(&mut self, name: &str) -> Result<Option<u32>, KernelError> {
        let found = self.links.iter().position(|link| link == name);
        Ok(found.map(|at| u32::try_from(at).expect("few links") + 100))
    }

    fn delete_link(&mut self, ifindex: u32) -> Result<(), KernelError> {
        let at = usize::try_from(ifindex - 100).expect("few links");
        let name = self.links[at].clone();
        self.delete(format!("link {name}"))?;
        self.links.remove(at);
        Ok(())
    }

    fn filters(&mut self, _: u32, direction: Direction) -> Result<Vec<FoundFilter>, KernelError> {
        let found = |&handle: &u32| FoundFilter {
            preference: 1,
            protocol: 3,
            kind: "bpf".to_owned(),
            handle,
            cookies: vec![COOKIE.to_vec()],
        };
        Ok(match direction {
            Direction::Ingress => self.filters.iter().map(found).collect(),
            Direction::Egress => Vec::new(),
        })
    }

    fn delete_filter(
        &mut self,
        _: u32,
        _: Direction,
        filter: &FoundFilter,
    ) -> Result<(), KernelError> {
        self.delete(format!("filter {}", filter.handle))?;
        self.filters.retain(|&handle| handle != filter.handle);
        Ok(())
    }

    fn clsact_exists(&mut self, _: u32) -> Result<bool, KernelError> {
        Ok(self.clsact)
    }

    fn delete_clsact(&mut self, _: u32) -> Result<(), KernelError> {
        self.delete("clsact".to_owned())?;
        self.clsact = false;
        Ok(())
    }

    fn xdp_programs(&mut self, _: u32) -> Result<Vec<(u32, u32)>, KernelError> {
        Ok(Vec::new())
    }

    fn detach_xdp(&mut self, _: u32, _: u32) -> Result<(), KernelError> {
        unreachable!("there is none")
    }
}
