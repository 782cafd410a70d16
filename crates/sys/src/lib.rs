//! Operating-system calls that skep needs, behind safe functions.
