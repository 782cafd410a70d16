//! Ports that packets come from and go to.
