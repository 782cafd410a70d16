//! What a program may ask about the kernel besides its types: its configuration, its symbols, its version.
//!
//! Representation: look-up tables made from the texts that Linux shows (`/proc/config.gz`, `/proc/kallsyms`).
//! Does not read files: see `host`.

use std::collections::HashMap;

/// A kernel's configuration: the lines `CONFIG_X=…`, values as written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KernelConfig {
    values: HashMap<String, String>,
}

impl KernelConfig {
    /// Reads the text of a configuration file. Lines of another form are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| line.starts_with("CONFIG_"));
        let values = lines.filter_map(|line| line.split_once('='));
        Self {
            values: values
                .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
                .collect(),
        }
    }

    /// The value of an option, as written: `y`, `m`, a number, or a string in quotes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// Addresses of a kernel's symbols.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KernelSymbols {
    addresses: HashMap<String, u64>,
}

impl KernelSymbols {
    /// Reads lines of the form `address type name`, as `/proc/kallsyms` has them. Of several symbols of one name, the
    /// first counts; symbols of modules are there, too.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut addresses = HashMap::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (address, name) = (words.next(), words.nth(1));
            let address = address.and_then(|text| u64::from_str_radix(text, 16).ok());
            if let (Some(address), Some(name)) = (address, name) {
                addresses.entry(name.to_owned()).or_insert(address);
            }
        }
        Self { addresses }
    }

    /// The address of a symbol.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.addresses.get(name).copied()
    }
}

/// The number that `LINUX_VERSION_CODE` and `LINUX_KERNEL_VERSION` have for a release such as `6.18.5-cloud`.
#[must_use]
pub fn version_code(release: &str) -> u32 {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || {
        numbers
            .next()
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0)
    };
    let (major, minor, patch) = (next(), next(), next());
    (major & 0xffff) << 16 | (minor & 0xff) << 8 | patch.min(0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_kernel_are_read() {
        let config =
            KernelConfig::parse("# a\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x=y\"\n");
        assert_eq!(config.get("CONFIG_A"), Some("y"));
        assert_eq!(config.get("CONFIG_B"), None);
        assert_eq!(config.get("CONFIG_C"), Some("\"x=y\""));
        let symbols =
            KernelSymbols::parse("ffffffff81000000 T _text\nbad\n10 t _text\n20 d x\t[mod]\n");
        assert_eq!(symbols.get("_text"), Some(0xffff_ffff_8100_0000));
        assert_eq!(symbols.get("x"), Some(0x20));
        assert_eq!(symbols.get("bad"), None);
        assert_eq!(version_code("6.18.5-cloud"), 0x0006_1205);
        assert_eq!(version_code("6.1.300"), 0x0006_01ff);
        assert_eq!(version_code(""), 0);
    }
}
