//! SMTP replies (RFC 5321 §4.2, RFC 3463).

use super::{plain, smtp, words};

words! {
    SMTP:
    // The course of a session.
    GREETING = plain(220), "{host} ESMTP Postroom",
        "The connection is open.", "-";
    EHLO_GREETING = plain(250), "{host} greets {client}",
        "EHLO or HELO was accepted; with EHLO the extensions follow.", "-";
    CLOSING = smtp(221, 0, 0), "{host} closes the connection",
        "QUIT.", "-";
    TLS_READY = smtp(220, 0, 0), "Begin the TLS handshake",
        "STARTTLS was accepted.", "-";
    SENDER_OK = smtp(250, 1, 0), "Sender accepted",
        "MAIL was accepted.", "-";
    RECIPIENT_OK = smtp(250, 1, 5), "Recipient accepted",
        "RCPT was accepted.", "-";
    SEND_MESSAGE = plain(354), "Send the message; end it with a line that has only a dot",
        "DATA was accepted.", "-";
    CHUNK_OK = smtp(250, 0, 0), "{bytes} bytes taken",
        "A BDAT chunk that is not the last was taken.", "-";
    ACCEPTED = smtp(250, 0, 0), "Accepted as {id}",
        "The message is stored durably; from here on this server is responsible for it.", "-";
    RESET_OK = smtp(250, 0, 0), "The transaction is forgotten",
        "RSET.", "-";
    NOOP_OK = smtp(250, 0, 0), "Nothing done",
        "NOOP.", "-";
    HELP = smtp(214, 0, 0), "This is Postroom. See RFC 5321 for the commands",
        "HELP.", "-";
    VERIFY_NOT_TOLD = smtp(252, 5, 0), "Not told here; send the message and it will be tried",
        "VRFY. Addresses are not confirmed outside a transaction.", "Use RCPT.";
    AUTH_CONTINUE = plain(334), "{challenge}",
        "A step of AUTH; the text is base64.", "-";
    AUTH_OK = smtp(235, 7, 0), "Signed in",
        "AUTH succeeded.", "-";

    // Commands that cannot be taken.
    UNKNOWN_COMMAND = smtp(500, 5, 1), "This command is not known",
        "The first word of the line is no command.", "Look at the client; after 20 such lines the session ends.";
    LINE_TOO_LONG = smtp(500, 5, 2), "The line is too long",
        "A command line over 2,048 bytes (12,288 in AUTH).", "Shorten it.";
    PARAMETER_SYNTAX = smtp(501, 5, 4), "The argument is not well formed",
        "A command argument does not follow the grammar, or a parameter is given twice.", "Look at the client.";
    SENDER_SYNTAX = smtp(501, 1, 7), "The sender address is not well formed",
        "The argument of MAIL is no path of RFC 5321 §4.1.2.", "Correct the address.";
    RECIPIENT_SYNTAX = smtp(501, 1, 3), "The recipient address is not well formed",
        "The argument of RCPT is no path of RFC 5321 §4.1.2, or a source route.", "Correct the address.";
    HELO_SYNTAX = smtp(501, 5, 2), "The name after EHLO or HELO is not well formed",
        "The argument is no domain, no address literal and no other single printable word.", "Correct the name of the client.";
    NOT_IMPLEMENTED = smtp(502, 5, 1), "This command is not offered",
        "EXPN and other commands that a server need not have.", "-";
    BAD_SEQUENCE = smtp(503, 5, 1), "Not now: {expected} comes first",
        "Commands in the wrong order, such as RCPT before MAIL.", "Look at the client.";
    NO_VALID_RECIPIENTS = smtp(503, 5, 1), "No recipient was accepted",
        "DATA or BDAT although every RCPT was refused.", "Correct the recipients.";
    PIPELINING_UNEXPECTED = smtp(554, 5, 0), "Commands came before it was their turn",
        "Commands were sent before the greeting, or pipelined without PIPELINING.", "Wait for the replies.";
    PARAMETER_NOT_IMPLEMENTED = smtp(504, 5, 4), "This parameter or its value is not offered",
        "An AUTH mechanism or BODY value that was not announced.", "Use what EHLO lists.";
    PARAMETER_UNKNOWN = smtp(555, 5, 4), "This MAIL or RCPT parameter is not known",
        "A parameter that was not announced (RFC 5321 §4.1.1.11).", "Use what EHLO lists.";
    NUL_OR_CONTROL = smtp(501, 5, 2), "The line has bytes that no command has",
        "NUL, control or 8-bit bytes in a command without SMTPUTF8.", "Look at the client.";
    UTF8_NEEDS_EXTENSION = smtp(553, 6, 7), "Such an address needs SMTPUTF8 on MAIL",
        "An address outside ASCII without the SMTPUTF8 parameter (RFC 6531 §3.5).", "Announce it with MAIL.";
    TOO_MANY_BAD_COMMANDS = smtp(421, 7, 0), "Too many commands that were no commands",
        "20 wrong commands in one session.", "Look at the client.";

    // Who may.
    AUTH_REQUIRED = smtp(530, 7, 0), "Sign in first",
        "MAIL on a submission port without AUTH.", "Set user name and password in the mail program.";
    TLS_REQUIRED = smtp(530, 7, 0), "STARTTLS comes first",
        "A command that needs encryption on a plaintext connection.", "Switch TLS on in the client.";
    AUTH_NEEDS_TLS = smtp(538, 7, 11), "Signing in needs TLS",
        "AUTH on a plaintext connection.", "Switch TLS on in the client.";
    AUTH_FAILED = smtp(535, 7, 8), "User name or password is wrong, or signing in is not allowed here",
        "The login way refused; the log says at which step.", "`postroom explain --login USER` shows the step.";
    AUTH_TEMPORARY = smtp(454, 7, 0), "Signing in is not possible for the moment",
        "The directory does not answer, or too many passwords are being checked at once.", "Try again in a minute.";
    AUTH_CANCELLED = smtp(501, 7, 0), "Signing in was cancelled",
        "The client sent `*` (RFC 4954 §4).", "-";
    AUTH_MALFORMED = smtp(501, 5, 2), "The sign-in data is not well formed",
        "Not base64, or not what the mechanism sends.", "Look at the client.";
    AUTH_ALREADY = smtp(503, 5, 1), "Already signed in",
        "AUTH a second time, or inside a transaction (RFC 4954 §4).", "-";
    AUTH_NOT_OFFERED = smtp(503, 5, 1), "Signing in is not offered on this port",
        "AUTH on the port for mail from other servers.", "Use port 587 or 465.";
    TOO_MANY_LOGIN_FAILURES = smtp(421, 7, 0), "Too many failed attempts to sign in",
        "3 failures on one connection.", "Correct the password, then connect again.";
    TLS_NOT_OFFERED = smtp(502, 5, 1), "TLS is not offered here",
        "STARTTLS without a certificate.", "Set `tls.certificate` and `tls.key`.";
    TLS_ALREADY = smtp(503, 5, 1), "The connection is encrypted already",
        "STARTTLS a second time.", "-";
    TLS_TEMPORARY = smtp(454, 7, 0), "TLS is not possible for the moment",
        "The certificate could not be read.", "Look at the log of the server.";
    SENDER_NOT_OWN = smtp(553, 7, 1), "{address} is not an address of the person signed in",
        "Submission with a foreign sender address or with the null sender.", "Use the own address, or add it to the person.";
    RELAYING_DENIED = smtp(550, 7, 1), "{address}: this server does not relay for you",
        "The domain is not here and the client neither signed in nor is in `trusted_networks`.",
        "Sign in, or correct the domain.";

    // The message way: domain, person, state, quota.
    UNKNOWN_USER = smtp(550, 1, 1), "{address}: there is no such mailbox here",
        "The domain is here, the local part is not.", "Correct the address; `postroom explain ADDRESS` shows the steps.";
    UNKNOWN_DOMAIN = smtp(550, 1, 2), "{domain}: there is no such domain",
        "DNS says that the domain does not exist.", "Correct the address.";
    DOMAIN_TAKES_NO_MAIL = smtp(556, 1, 10), "{domain} says that it takes no mail",
        "The domain has a null MX record (RFC 7505).", "-";
    INACTIVE = smtp(450, 2, 1), "{address} takes no mail for the moment",
        "Domain or mailbox is inactive.", "The sender's server tries again by itself.";
    DISABLED = smtp(550, 2, 1), "{address} takes no mail",
        "Domain or mailbox is disabled.", "Ask the administrator of the domain.";
    DELETED = smtp(550, 1, 6), "{address} is no longer here",
        "Domain or mailbox is deleted or removed.", "-";
    OVER_QUOTA = smtp(452, 2, 2), "{address}: the mailbox is full",
        "Over quota for less than 7 days.", "The owner deletes mail, or gets more space.";
    OVER_QUOTA_LONG = smtp(552, 2, 2), "{address}: the mailbox has been full for days",
        "Over quota for 7 days or more.", "The owner deletes mail, or gets more space.";
    NOT_ALLOWED_TO_LIST = smtp(550, 7, 2), "{address}: you may not write to this list",
        "The group names who may write to it.", "Ask the owner of the list.";
    REFUSED_BY_PLUGIN = smtp(550, 7, 1), "{reason}",
        "A plugin of the domain refused; the text is the plugin's.", "`postroom explain` and the trace name the plugin.";
    DEFERRED_BY_PLUGIN = smtp(450, 7, 1), "{reason}",
        "A plugin of the domain deferred; the text is the plugin's.", "The sender's server tries again by itself.";
    PLUGIN_TROUBLE = smtp(451, 3, 0), "A rule of {domain} could not be checked; try again later",
        "A plugin trapped, ran out of time or memory, or is not loaded, and its binding says `tempfail`.",
        "`postroom plugin list` shows failures.";
    OPTION_NOT_LOADED = smtp(451, 3, 0), "{address}: a way of delivery is not available for the moment",
        "A delivery option whose plugin is not bound or does not load.", "Bind the plugin of that name.";
    NEXT_TRANSACTION = smtp(452, 5, 3), "{address}: send to this recipient on its own",
        "Its domain decides apart from the recipients before it.", "The client sends the rest by itself.";

    ADDRESS_LITERAL = smtp(550, 1, 2), "{address}: mail to an address literal is not carried",
        "The recipient's domain is an IP address in brackets.", "Write the name of the domain.";
    ADDRESS_LOOP = smtp(550, 4, 6), "{address} leads back to itself",
        "Aliases, lists or routing addresses point at each other, or go on for more than 10 steps.",
        "Look for the circle with `postroom explain ADDRESS`.";
    LIST_TOO_LARGE = smtp(550, 2, 4), "{address} stands for too many addresses",
        "A list or alias expands to more than 1,000 targets.", "Divide the list.";
    LIST_EMPTY = smtp(550, 2, 4), "{address} is a list without members",
        "A group that delivers to its members has none.", "`postroom group set ADDRESS members=…` adds some.";
    NO_POSTMASTER = smtp(451, 3, 5), "No postmaster is set up here yet; try again later",
        "Neither the domain nor the site names a postmaster.", "Set `postmaster` in postroom.toml, or `postroom domain set NAME postmaster=ADDRESS`.";

    // Limits.
    TOO_MANY_RECIPIENTS = smtp(452, 5, 3), "Too many recipients; send the others in another transaction",
        "More than `limits.recipients` in one transaction.", "The client sends the rest by itself.";
    TOO_MANY_BAD_RECIPIENTS = smtp(421, 7, 0), "Too many recipients that are not here",
        "20 refused recipients in one session.", "Clean the list.";
    MESSAGE_TOO_BIG = smtp(552, 3, 4), "The message is larger than {bytes} bytes",
        "SIZE or the message itself is over `limits.message_bytes`.", "Send a smaller message.";
    TEXT_LINE_TOO_LONG = smtp(554, 6, 0), "A line of the message is too long",
        "A text line over 64 KiB without CRLF (RFC 5321 §4.5.3.1.6 asks for 1,000 bytes).", "Look at the client.";
    BARE_LINE_ENDING = smtp(554, 6, 0), "The message has a bare CR or LF",
        "A line ending other than CRLF; taking it would let mail be smuggled.", "Look at the client.";
    NUL_IN_MESSAGE = smtp(554, 6, 0), "The message has a NUL byte",
        "A zero byte: no text, and IMAP has no way to hand it out.", "Look at the client.";
    HEADER_TOO_BIG = smtp(554, 6, 0), "The message has too many or too large header fields",
        "Over 1,000 header fields or 256 KiB of header.", "Look at the client.";
    MIME_TOO_DEEP = smtp(554, 6, 0), "The message is nested too deeply",
        "Over 50 levels of MIME or 10,000 parts where a domain refuses what cannot be looked into.", "Look at the client.";
    MAIL_LOOP = smtp(554, 4, 6), "The message is going round in circles",
        "Over 50 `Received` fields, or it was here before for the same address.", "Look for forwards that point at each other.";
    EIGHT_BIT_UNKNOWN_SIZE = smtp(501, 5, 4), "SIZE is not a number that makes sense",
        "SIZE or the length of BDAT is negative, too large or no number.", "Look at the client.";
    BDAT_SEQUENCE = smtp(503, 5, 1), "BDAT and DATA do not mix, and nothing follows LAST",
        "RFC 3030 §2 and §3.", "Look at the client.";
    TOO_MANY_CONNECTIONS = smtp(421, 4, 5), "Too many connections; try again later",
        "`limits.connections` reached.", "The client tries again by itself.";
    TOO_MANY_FROM_YOU = smtp(421, 7, 0), "Too many connections from your address",
        "`limits.connections_per_address` reached.", "Close some.";
    IDLE_TIMEOUT = smtp(421, 4, 2), "Nothing came for too long",
        "The client was silent for `limits.smtp_idle_seconds`, or sends too slowly.", "Connect again.";
    SHUTTING_DOWN = smtp(421, 3, 2), "{host} is stopping; try again in a minute",
        "The server is being stopped.", "The client tries again by itself.";

    // Our own trouble.
    TEMPORARY_TROUBLE = smtp(451, 3, 0), "Something failed here; try again later",
        "An error of this server; the log has the cause.", "Look at the log of the server.";
    DIRECTORY_UNAVAILABLE = smtp(451, 4, 3), "{address}: cannot be looked up for the moment",
        "The directory does not answer.", "Look at the log of the server.";
    DISK_RESERVE = smtp(452, 3, 1), "No space for mail at the moment",
        "Free disk space is below the reserve.", "Free space on the disk of the data directory.";
    STORE_BUSY = smtp(451, 3, 0), "Busy; try again later",
        "The store is further behind than it may be.", "The client tries again by itself.";
}
