pub(crate) const HOST: &str = "host";
pub(crate) fn host() {}
pub(crate) fn segments() {}
pub(crate) fn segments_with_tags() {}
pub(crate) fn segments_cut_by_software() {}
