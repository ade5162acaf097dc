//! ENVELOPE (RFC 3501 §7.4.2).

use mail::message::{AddressListEntry, Summary};

use crate::output::{nstring, string};

/// ```text
/// envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to
///            SP env-cc SP env-bcc SP env-in-reply-to SP env-message-id ")"
/// ```
pub(super) fn write(summary: &Summary, out: &mut Vec<u8>) {
    out.push(b'(');
    nstring(summary.date.as_deref(), out);
    out.push(b' ');
    nstring(summary.subject.as_deref(), out);
    let lists = [
        &summary.from,
        &summary.sender,
        &summary.reply_to,
        &summary.to,
        &summary.cc,
        &summary.bcc,
    ];
    for list in lists {
        out.push(b' ');
        addresses(list, out);
    }
    out.push(b' ');
    nstring(summary.in_reply_to.as_deref(), out);
    out.push(b' ');
    nstring(summary.message_id.as_deref(), out);
    out.push(b')');
}

/// ```text
/// address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
/// ```
/// A group begins with NIL as host and its name as mailbox, and ends with both NIL.
fn addresses(list: &[AddressListEntry], out: &mut Vec<u8>) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for entry in list {
        match entry {
            AddressListEntry::Address(address) => {
                out.push(b'(');
                nstring(address.name.as_deref(), out);
                out.push(b' ');
                nstring(address.route.as_deref(), out);
                out.push(b' ');
                string(&address.localpart, out);
                out.push(b' ');
                // NIL as host would begin a group.
                string(&address.domain, out);
                out.push(b')');
            }
            AddressListEntry::GroupStart(name) => {
                out.extend_from_slice(b"(NIL NIL ");
                string(name, out);
                out.extend_from_slice(b" NIL)");
            }
            AddressListEntry::GroupEnd => out.extend_from_slice(b"(NIL NIL NIL NIL)"),
        }
    }
    out.push(b')');
}
