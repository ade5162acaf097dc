//! Is there a certificate, for this name, for long enough?

use net::CertificateFiles;

use super::{Finding, Subject};
use crate::site;

const CHECK: &str = "certificate";
/// Renewal is usual a month before the end; later than this somebody forgot.
const SOON_SECONDS: i64 = 14 * 24 * 3600;
const DAY_SECONDS: i64 = 24 * 3600;

pub(super) fn check(subject: &Subject) -> Finding {
    let tls = &subject.config.tls;
    let (Some(chain), Some(key)) = (&tls.certificate, &tls.key) else {
        return Finding::warning(
            CHECK,
            "none is configured: a self-signed one is used, clients will warn",
            "get one for your host name (any ACME client) and set certificate and key in [tls]",
        );
    };
    let files = CertificateFiles {
        chain: chain.clone(),
        key: key.clone(),
    };
    match net::tls::inspect(&files) {
        Err(error) => Finding::failed(
            CHECK,
            error.to_string(),
            "mend certificate and key in [tls]: PEM, the server's certificate first, readable for the user that serves",
        ),
        Ok(facts) => judge(&facts, subject.hostname.as_str(), site::now().seconds()),
    }
}

/// The judgement without the files and the clock. `now` in seconds since 1970.
pub(super) fn judge(facts: &net::tls::CertificateFacts, hostname: &str, now: i64) -> Finding {
    let renew = "renew it, then: systemctl reload postroom (or SIGHUP)";
    let left = facts.not_after - now;
    if left <= 0 {
        let days = -left / DAY_SECONDS;
        return Finding::failed(CHECK, format!("it ended {days} days ago"), renew);
    }
    if now < facts.not_before {
        return Finding::failed(
            CHECK,
            "its time has not begun",
            "look at the clock of this machine: timedatectl",
        );
    }
    if !facts.names.iter().any(|name| covers(name, hostname)) {
        return Finding::failed(
            CHECK,
            format!("it is for {}, not for {hostname}", facts.names.join(", ")),
            format!("get one that has the name {hostname}, or set hostname in postroom.toml"),
        );
    }
    let text = format!("it is for {hostname}, for {} days more", left / DAY_SECONDS);
    if left < SOON_SECONDS {
        return Finding::warning(CHECK, text, renew);
    }
    Finding::ok(CHECK, text)
}

/// RFC 6125 §6.4.3: a wildcard stands for exactly one label, the leftmost.
fn covers(name: &str, hostname: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => hostname
            .split_once('.')
            .is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(hostname),
    }
}
