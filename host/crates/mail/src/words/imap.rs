//! IMAP status responses (RFC 3501 §7.1, RFC 9051 §7.1, response codes of RFC 5530).

use super::Codes;
use super::words;

const fn ok(code: Option<&'static str>) -> Codes {
    Codes::Imap("OK", code)
}

const fn no(code: Option<&'static str>) -> Codes {
    Codes::Imap("NO", code)
}

const fn bad(code: Option<&'static str>) -> Codes {
    Codes::Imap("BAD", code)
}

const fn bye(code: Option<&'static str>) -> Codes {
    Codes::Imap("BYE", code)
}

words! {
    IMAP:
    IMAP_GREETING = ok(None), "{host} Postroom is ready",
        "The connection is open; the session puts its CAPABILITY code before the text.", "-";
    IMAP_DONE = ok(None), "{command} done",
        "The command was carried out.", "-";
    IMAP_SIGNED_IN = ok(None), "Signed in",
        "LOGIN or AUTHENTICATE succeeded; the session puts its CAPABILITY code before the text.", "-";
    IMAP_SELECTED = ok(Some("READ-WRITE")), "Mailbox selected",
        "SELECT.", "-";
    IMAP_EXAMINED = ok(Some("READ-ONLY")), "Mailbox selected for reading",
        "EXAMINE, or SELECT without the right to write.", "-";
    IMAP_FIRST_UNSEEN = ok(None), "The first message that was not seen",
        "SELECT; the session puts its UNSEEN code before the text.", "-";
    IMAP_FLAGS_KEPT = ok(None), "The flags that are kept",
        "SELECT; the session puts its PERMANENTFLAGS code before the text.", "-";
    IMAP_UID_EPOCH = ok(None), "The epoch of the UIDs",
        "SELECT; the session puts its UIDVALIDITY code before the text.", "-";
    IMAP_UID_NEXT = ok(None), "The UID of the next message",
        "SELECT; the session puts its UIDNEXT code before the text.", "-";
    IMAP_HIGHEST_MODSEQ = ok(None), "The highest modification sequence",
        "SELECT, or CONDSTORE enabled; the session puts its HIGHESTMODSEQ code before the text.", "-";
    IMAP_MAILBOX_ID = ok(None), "The id of the mailbox",
        "SELECT; the session puts its MAILBOXID code before the text.", "-";
    IMAP_MODIFIED = ok(None), "Some of the messages had changed and were left alone",
        "STORE with UNCHANGEDSINCE; the session puts its MODIFIED code before the text.", "-";
    IMAP_MOVED = ok(None), "Moved",
        "MOVE; the session puts its COPYUID code before the text.", "-";
    IMAP_TLS_READY = ok(None), "Begin the TLS handshake",
        "STARTTLS was accepted.", "-";
    IMAP_LOGOUT = bye(None), "{host} closes the connection",
        "LOGOUT.", "-";
    IMAP_IDLING = Codes::Imap("+", None), "Waiting for changes",
        "IDLE began.", "-";
    IMAP_SEND_LITERAL = Codes::Imap("+", None), "Send it",
        "A literal was announced and is accepted.", "-";

    IMAP_SYNTAX = bad(None), "The command is not well formed: {detail}",
        "The line does not follow the grammar.", "Look at the client.";
    IMAP_UNKNOWN_COMMAND = bad(None), "This command is not known",
        "The word after the tag is no command.", "Look at the client.";
    IMAP_WRONG_STATE = bad(Some("CLIENTBUG")), "Not in this state",
        "A command that needs sign-in, or a selected mailbox.", "Look at the client.";
    IMAP_BAD_UID_SET = bad(None), "The set of messages is not well formed",
        "A sequence set with 0, or a number beyond the last message.", "Look at the client.";
    IMAP_LINE_TOO_LONG = bad(Some("TOOBIG")), "The command is too long",
        "A command over 16 KiB, literals aside.", "Split it.";
    IMAP_LITERAL_TOO_BIG = bad(Some("TOOBIG")), "The literal is too big",
        "A literal over its limit; before sign-in 8 KiB in all.", "Look at the client.";
    IMAP_TOO_DEEP = bad(Some("TOOBIG")), "The command is nested too deeply",
        "Over 32 levels of parentheses.", "Look at the client.";
    IMAP_TOO_MANY_BAD = bye(None), "Too many commands that were no commands",
        "20 wrong commands in one session.", "Look at the client.";
    IMAP_CANNOT_GO_ON = bye(None), "The connection ends here: what follows cannot be told from commands",
        "A line or a literal over its limit that was sent without waiting, or a line that ends in LF alone.", "Look at the client.";

    IMAP_AUTH_FAILED = no(Some("AUTHENTICATIONFAILED")), "User name or password is wrong, or signing in is not allowed here",
        "The login way refused; the log says at which step.", "`postroom explain --login USER` shows the step.";
    IMAP_UNAVAILABLE = no(Some("UNAVAILABLE")), "Not possible for the moment",
        "The directory does not answer, or too many passwords are being checked at once.", "Try again in a minute.";
    IMAP_PRIVACY_REQUIRED = no(Some("PRIVACYREQUIRED")), "Signing in needs TLS",
        "LOGIN or AUTHENTICATE on a plaintext connection.", "Switch TLS on in the client.";
    IMAP_MECHANISM_UNKNOWN = no(None), "This way of signing in is not offered",
        "AUTHENTICATE with a mechanism that was not announced.", "Use what CAPABILITY lists.";
    IMAP_AUTH_CANCELLED = bad(None), "Signing in was cancelled",
        "The client sent `*`.", "-";
    IMAP_AUTH_MALFORMED = bad(None), "The sign-in data is not well formed",
        "Not base64, or not what the mechanism sends.", "Look at the client.";
    IMAP_TLS_NOT_OFFERED = bad(None), "TLS is not offered here",
        "STARTTLS without a certificate, or on an encrypted connection.", "-";
    IMAP_LOGIN_FAILURES = bye(None), "Too many failed attempts to sign in",
        "3 failures on one connection.", "Correct the password, then connect again.";

    IMAP_MAILBOX_MISSING = no(Some("NONEXISTENT")), "There is no such mailbox",
        "The name is not there, or may not be seen.", "LIST shows the names.";
    IMAP_TRY_CREATE = no(Some("TRYCREATE")), "There is no such mailbox",
        "The target of APPEND, COPY or MOVE is not there.", "CREATE it first.";
    IMAP_MAILBOX_EXISTS = no(Some("ALREADYEXISTS")), "There is such a mailbox already",
        "CREATE, or the new name of RENAME.", "Choose another name.";
    IMAP_MAILBOX_NAME = no(Some("CANNOT")), "This cannot be the name of a mailbox",
        "An empty level, a control character, too long, or not valid modified UTF-7.", "Choose another name.";
    IMAP_INBOX_STAYS = no(Some("CANNOT")), "INBOX cannot be deleted",
        "DELETE INBOX.", "-";
    IMAP_HAS_CHILDREN = no(Some("INUSE")), "There are mailboxes under this one",
        "DELETE of a name without a mailbox of its own that has inferior names.", "Delete those first.";
    IMAP_NOT_SELECTABLE = no(Some("NONEXISTENT")), "This name has no messages of its own",
        "SELECT of a name that is only a level (\\Noselect).", "Select a mailbox under it.";
    IMAP_NO_PERMISSION = no(Some("NOPERM")), "You have no right to do this",
        "A right of the shared mailbox is missing.", "Ask who shares it.";
    IMAP_READ_ONLY = no(None), "The mailbox is selected for reading only",
        "A change after EXAMINE.", "SELECT it.";
    IMAP_OVER_QUOTA = no(Some("OVERQUOTA")), "No space is left",
        "The quota of the person or the domain is used up.", "Delete mail.";
    IMAP_NO_QUOTA_ROOT = no(Some("NONEXISTENT")), "There is no such quota root",
        "GETQUOTA with another name than the empty one.", "Ask by GETQUOTAROOT.";
    IMAP_TOO_BIG = no(Some("LIMIT")), "The message is larger than {bytes} bytes",
        "APPEND over `limits.message_bytes`.", "-";
    IMAP_LIMIT = no(Some("LIMIT")), "That is more than is allowed",
        "Too many keywords, levels, mailboxes or search keys.", "-";
    IMAP_BAD_CHARSET = no(Some("BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-2 ISO-8859-15 WINDOWS-1251 WINDOWS-1252 KOI8-R SHIFT_JIS EUC-JP EUC-KR BIG5 GB18030)")), "This character set is not offered",
        "SEARCH CHARSET with another character set.", "Use UTF-8.";
    IMAP_UNKNOWN_CTE = no(Some("UNKNOWN-CTE")), "This part is encoded in an unknown way",
        "BINARY of a part whose encoding is not known.", "Fetch it undecoded.";
    IMAP_EXPUNGED = no(Some("EXPUNGEISSUED")), "Some of the messages are gone",
        "Another session expunged them.", "-";
    IMAP_SERVER_TROUBLE = no(Some("SERVERBUG")), "Something failed here; try again later",
        "An error of this server; the log has the cause.", "Look at the log of the server.";
    IMAP_DISK_RESERVE = no(Some("UNAVAILABLE")), "No space for mail at the moment",
        "Free disk space is below the reserve.", "Free space on the disk of the data directory.";
    IMAP_CORRUPTION = no(Some("CORRUPTION")), "The message is damaged in the store",
        "Its checksum does not match.", "Look at the log of the server.";

    IMAP_IDLE_TIMEOUT = bye(None), "Nothing came for too long",
        "The client was silent for `limits.imap_idle_seconds`.", "Connect again.";
    IMAP_SHUTTING_DOWN = bye(Some("UNAVAILABLE")), "The server is stopping",
        "The server is being stopped.", "Connect again in a minute.";
    IMAP_TOO_MANY_CONNECTIONS = bye(Some("LIMIT")), "Too many connections",
        "`limits.connections` or `limits.connections_per_address` reached.", "Close some.";
    IMAP_MAILBOX_GONE = bye(None), "Access to this mailbox has ended",
        "The selected mailbox was deleted, or the right to read it was taken away.", "Connect again and select another.";
    IMAP_REVOKED = bye(Some("UNAVAILABLE")), "Access to this account has ended",
        "Domain or person was put into a state that refuses sign-in, or the password was changed.", "Ask the administrator of the domain.";
}
