//! End to end: real clients against the real binary on loopback. One scenario a file, all in one
//! test binary.

mod mail_goes_in_by_smtp_and_out_by_imap_and_pop3;
