//! Where the corpora lie: what is compiled in the user's cache, what was measured beside the checkout. Neither is part of it.

use std::path::PathBuf;

/// Names the folder of measured corpora.
const ENV_SHARED: &str = "SKEP_SHARED_CORPUS";

/// The folder of what `corpus` makes.
///
/// # Errors
/// Without a home folder.
pub(crate) fn corpus() -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let cache = cache.map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cache"))
    });
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("skep/corpus"))
}

/// The folder of measured corpora.
pub(crate) fn shared() -> PathBuf {
    match std::env::var_os(ENV_SHARED) {
        Some(folder) => folder.into(),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
    }
}
