//! What this host's Linux tells about itself, read from `/sys` and `/proc`. Whatever cannot be read is unknown.

use crate::kernel::{KernelConfig, KernelSymbols, version_code};
use crate::limits::CONFIG_BYTES_MAX;
use crate::options::Options;
use flate2::read::GzDecoder;
use skep_btf::core::KernelBtf;
use std::io::Read as _;
use std::sync::Arc;

/// Types of the running kernel.
#[must_use]
pub fn btf() -> Option<Arc<KernelBtf>> {
    let bytes = std::fs::read("/sys/kernel/btf/vmlinux").ok()?;
    KernelBtf::parse(&bytes).ok().map(Arc::new)
}

/// Configuration of the running kernel: `/boot/config-RELEASE`, else `/proc/config.gz`.
#[must_use]
pub fn config() -> Option<Arc<KernelConfig>> {
    let boot = std::fs::read_to_string(format!("/boot/config-{}", release()?)).ok();
    let text = boot.or_else(|| {
        let file = std::fs::File::open("/proc/config.gz").ok()?;
        let mut text = String::new();
        let mut bounded = GzDecoder::new(file).take(CONFIG_BYTES_MAX);
        bounded.read_to_string(&mut text).ok()?;
        Some(text)
    })?;
    Some(Arc::new(KernelConfig::parse(&text)))
}

/// Symbols of the running kernel; without privileges, their addresses are zero.
#[must_use]
pub fn symbols() -> Option<Arc<KernelSymbols>> {
    let text = std::fs::read_to_string("/proc/kallsyms").ok()?;
    Some(Arc::new(KernelSymbols::parse(&text)))
}

/// `LINUX_VERSION_CODE` of the running kernel.
#[must_use]
pub fn version() -> Option<u32> {
    release().map(|release| version_code(&release))
}

fn release() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(text.trim().to_owned())
}

impl Options {
    /// Fills in what the object may ask about the kernel with what this host's kernel says.
    #[must_use]
    pub fn with_host(mut self) -> Self {
        self.btf = btf();
        self.config = config();
        self.symbols = symbols();
        self.kernel_version = version();
        self
    }
}
