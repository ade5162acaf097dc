//! Outcomes of delivery attempts and the texts of reports (RFC 3464, RFC 3463).

use super::Codes;
use super::{status, words};

const fn text() -> Codes {
    Codes::Report(None)
}

words! {
    REPORTS:
    // What a far server did.
    DELIVERED = status(2, 0, 0), "{host} said: {reply}",
        "The next server took the message.", "-";
    REMOTE_DEFERRED = status(4, 0, 0), "{host} said: {reply}",
        "The next server answered 4xx; its own status is used where it gave one.", "It is tried again.";
    REMOTE_REFUSED = status(5, 0, 0), "{host} said: {reply}",
        "The next server answered 5xx; its own status is used where it gave one.", "The reply says what helps.";
    CONNECT_FAILED = status(4, 4, 1), "{host} cannot be reached: {detail}",
        "No connection to the next server.", "It is tried again.";
    CONNECTION_LOST = status(4, 4, 2), "The connection to {host} broke at {phase}",
        "The connection ended before the reply.", "It is tried again.";
    LOST_AFTER_DOT = status(4, 4, 2), "The connection to {host} broke before it said whether it took the message",
        "The connection ended between the last byte of the message and the reply. The message may arrive twice.",
        "It is tried again.";
    REMOTE_TIMEOUT = status(4, 4, 2), "{host} did not answer in time at {phase}",
        "A time-out of RFC 5321 §4.5.3.2.", "It is tried again.";
    REMOTE_GARBAGE = status(4, 5, 0), "{host} sent what is no SMTP reply",
        "A reply without form, or over 64 KiB.", "It is tried again.";
    REMOTE_TLS_FAILED = status(4, 7, 5), "TLS with {host} failed: {detail}",
        "The handshake failed, or bytes came before it.", "It is tried again.";
    REMOTE_AUTH_FAILED = status(4, 7, 8), "{host} did not let this server sign in: {detail}",
        "The login for the next server is wrong, or cannot be used.", "Correct the login of the channel.";
    REMOTE_NO_UTF8 = status(5, 6, 7), "{host} does not take addresses outside ASCII",
        "The message needs SMTPUTF8 and the next server does not offer it.", "Use an ASCII address.";
    REMOTE_NO_8BIT = status(5, 6, 3), "{host} does not take 8-bit messages",
        "The message has 8-bit bytes and the next server does not offer 8BITMIME.", "Send it encoded as 7-bit.";
    DNS_TROUBLE = status(4, 4, 3), "{name}: {detail}",
        "The names of the next server cannot be found out now.", "It is tried again.";
    NO_PUBLIC_HOST = status(5, 4, 6), "The mail hosts of {domain} lead back to this server or into private networks",
        "Every mail host in the DNS is this server, or has only addresses that no stranger may lead to.", "Whoever runs the domain corrects its MX records; for a host of your own add a `[[route]]`.";
    DESTINATION_BUSY = status(4, 4, 5), "Other mail for {host} is under way and does not get on",
        "Many messages wait for a server that takes them slowly or not at all.", "It is tried again.";
    CHANNEL_GONE = status(4, 3, 5), "There is no channel '{channel}'",
        "The channel was removed from `postroom.toml` while mail waited for it.", "Add the channel again, or remove the message from the queue.";
    ATTEMPT_TOO_LONG = status(4, 4, 2), "The delivery took too long",
        "An attempt has an hour in all.", "It is tried again.";
    ATTEMPT_BROKE_OFF = status(4, 3, 0), "The delivery broke off by a fault of this server",
        "The log has the cause.", "It is tried again.";
    REMOTE_NO_SMTP = status(5, 3, 3), "{host} takes no mail from this server: {reply}",
        "The greeting was 5xx.", "The reply says what helps.";
    BARE_LINE_ENDING_STORED = status(5, 6, 0), "The message has a bare CR or LF and cannot be sent on as it is",
        "The stored bytes have a line ending other than CRLF.", "Send it again with a correct client.";
    MESSAGE_READ_FAILED = status(4, 3, 0), "The message could not be read from the store",
        "A read error; the log has the cause.", "It is tried again.";

    // Programs and files.
    PROGRAM_DONE = status(2, 0, 0), "The program '{label}' took the message",
        "Exit code 0.", "-";
    PROGRAM_DEFERRED = status(4, 3, 0), "The program '{label}' asks to try again: {detail}",
        "Exit code 75 (EX_TEMPFAIL).", "It is tried again.";
    PROGRAM_FAILED = status(5, 3, 0), "The program '{label}' refused the message: {detail}",
        "An exit code other than 0 and 75; 67 is 5.1.1, 77 is 5.7.1.", "The output of the program says why.";
    PROGRAM_TIMEOUT = status(4, 3, 0), "The program '{label}' took longer than {seconds} s and was ended",
        "The time-out of the label.", "It is tried again.";
    PROGRAM_SIGNALLED = status(4, 3, 0), "The program '{label}' was ended by signal {signal}",
        "It crashed or was killed.", "It is tried again.";
    PROGRAM_NOT_STARTED = status(4, 3, 5), "The program '{label}' could not be started: {detail}",
        "The file is missing, is not executable, or the limits could not be set.", "Correct the label in `postroom.toml`.";
    PROGRAM_NOT_APPROVED = status(5, 7, 1), "'{label}' is not on the list of approved programs",
        "A domain names a program that the operator has not approved for it.", "The operator adds it under `[programs]`.";
    PROGRAM_BAD_VALUE = status(5, 6, 0), "A value for the program '{label}' has a NUL byte or a line end",
        "A placeholder's value that no program may see.", "-";
    FILE_DONE = status(2, 0, 0), "Appended to the file '{label}'",
        "The message is on disk.", "-";
    FILE_DEFERRED = status(4, 2, 0), "The file '{label}' could not be written: {detail}",
        "No space, a lock that is not freed, or another error; what was written is taken back.", "It is tried again.";
    FILE_REFUSED = status(5, 2, 0), "'{label}' is not a file that mail may be written to: {detail}",
        "The path leaves the folder of the domain, or is no regular file with one name.", "Correct the label in `postroom.toml`.";
    FILE_NOT_APPROVED = status(5, 7, 1), "'{label}' is not on the list of files",
        "A domain names a file that the operator has not mapped for it.", "The operator adds it under `[files]`.";
    FILE_CHANGED = status(4, 2, 0), "The file '{label}' was changed since the interrupted delivery",
        "After a crash the file is not as it was left; nothing is taken back.", "Look at the file, then release or discard the parked message.";
    OPTION_DEFERRED = status(4, 3, 0), "The delivery option '{option}' is not available: {detail}",
        "Its plugin is not bound, does not load or failed.", "Bind the plugin of that name.";

    // The life of a queued message.
    QUEUE_EXPIRED = status(5, 4, 7), "Given up after {days} days. The last answer: {reason}",
        "The life of the message in the queue is over.", "Send it again, or ask the recipient by another way.";
    FORWARD_LOOP = status(5, 4, 6), "The message is going round in circles",
        "It was forwarded more than 10 times here, or came back to an address it had passed.", "Look for forwards that point at each other.";
    EXPANSION_TOO_LARGE = status(5, 4, 6), "The address leads to too many others",
        "Over 10 levels or 1,000 targets of aliases and groups.", "Make the list smaller.";

    // Texts of a report.
    REPORT_SUBJECT_FAILED = text(), "Your message was not delivered",
        "The subject of a failure report.", "-";
    REPORT_SUBJECT_DELAYED = text(), "Your message is delayed",
        "The subject of a delay report.", "-";
    REPORT_SENDER_NAME = text(), "Mail delivery",
        "The name in From of a report.", "-";
    REPORT_INTRODUCTION_FAILED = text(), "This is the mail server {host}.\nYour message of {date} could not be delivered to:",
        "The first lines of a failure report.", "-";
    REPORT_INTRODUCTION_DELAYED = text(), "This is the mail server {host}.\nYour message of {date} has not been delivered yet. You need not send it again:\nthis server keeps trying until {until}. Waiting for:",
        "The first lines of a delay report.", "-";
    REPORT_RECIPIENT = text(), "  {address}\n      {reason} ({status})",
        "One recipient in a report.", "-";
    REPORT_MORE_RECIPIENTS = text(), "  and {count} more",
        "Recipients beyond the 100 that a report lists.", "-";
    REPORT_CLOSING_FULL = text(), "The message is attached. Its number here is {id}.",
        "The last line of a report that has the whole message.", "-";
    REPORT_CLOSING_HEADER = text(), "The header of the message is attached. Its number here is {id}.",
        "The last line of a report that has only the header.", "-";

    // Texts to the postmaster of a domain.
    CIRCUIT_SUBJECT = text(), "The plugin {plugin} of {domain} is left alone for a while",
        "The subject of the message about a plugin that failed too often.", "-";
    CIRCUIT_TEXT = text(), "The plugin {plugin}, version {version}, of {domain} failed again and again\nand is left alone for a while. The last failure: {detail}\n\nUntil it does well again {policy}.\nIt is tried again by itself, after longer and longer pauses. There is no second\nmessage about it before it did well.\n\nWhat runs:                   postroom plugin list {domain}\nBack to the version before:  postroom plugin rollback {domain}",
        "A plugin failed five times in a row.", "Deploy a version that is mended, or the one before.";
}
