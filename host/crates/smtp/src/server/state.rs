//! All states in one place, and who handles what in which.

use std::time::Duration;

use mail::words;

use super::Answer;
use super::auth::{ExpectAuthAnswer, ExpectAuthResponse};
use super::chunk::{ExpectChunk, ExpectOctets, RefuseOctets};
use super::command::{self, Command, NotACommand};
use super::connection::Connection;
use super::end::ExpectEndAnswer;
use super::hello::{
    ExpectConnectAnswer, ExpectHello, ExpectHelloAnswer, ExpectQuit, ExpectQuitAnswer,
};
use super::input::{Frame, LineKind};
use super::recipients::{ExpectPause, ExpectRecipient, ExpectRecipientAnswer, ExpectResetAnswer};
use super::sender::{ExpectMail, ExpectMailAnswer};
use super::text::{ExpectDataAnswer, ExpectText, RefuseText};
use super::tls::ExpectHandshake;

/// Where a session is.
///
/// ```text
///                    ┌────────────── STARTTLS ─> Handshake ──┐
///  ConnectAnswer ─> Hello <──────────────────────────────────┘
///       │             │ EHLO                     ┌─ AuthResponse* ─> AuthAnswer
///    Refused      HelloAnswer ─> Mail <──────────┘
///                                 │ MAIL ^ ^──────────────────────── EndAnswer
///                            MailAnswer  │ RSET                       ^     ^
///                                 v      │                    CRLF.CRLF    LAST
///    Pause <── RecipientAnswer <> Recipient ─ DATA ─> DataAnswer ─> Text    │
///                                        └─── BDAT ─────┘└─> Octets <> Chunk
/// ```
/// `Pause` goes on in `Recipient`; `RefuseText` and `RefuseOctets` read a refused body to its end before they say so.
#[derive(Debug, Default)]
pub(super) enum State {
    ConnectAnswer(ExpectConnectAnswer),
    Refused(ExpectQuit),
    Hello(ExpectHello),
    HelloAnswer(ExpectHelloAnswer),
    AuthResponse(ExpectAuthResponse),
    AuthAnswer(ExpectAuthAnswer),
    Handshake(ExpectHandshake),
    Mail(ExpectMail),
    MailAnswer(ExpectMailAnswer),
    Recipient(ExpectRecipient),
    RecipientAnswer(ExpectRecipientAnswer),
    Pause(ExpectPause),
    ResetAnswer(ExpectResetAnswer),
    DataAnswer(ExpectDataAnswer),
    Text(ExpectText),
    RefuseText(RefuseText),
    Octets(ExpectOctets),
    RefuseOctets(RefuseOctets),
    Chunk(ExpectChunk),
    EndAnswer(ExpectEndAnswer),
    QuitAnswer(ExpectQuitAnswer),
    #[default]
    Closed,
}

/// What a state does not handle itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// A line.
    Line(LineKind),
    /// Bytes of a message.
    Body,
    /// The host.
    Answer,
    /// The end of a pause.
    Pause(Duration),
    /// TLS, or nothing any more.
    Nothing,
}

impl State {
    pub(super) const fn awaits(&self) -> Awaits {
        match self {
            Self::Refused(_)
            | Self::Hello(_)
            | Self::Mail(_)
            | Self::Recipient(_)
            | Self::Chunk(_) => Awaits::Line(LineKind::Command),
            Self::Pause(state) => Awaits::Pause(state.pause()),
            Self::AuthResponse(_) => Awaits::Line(LineKind::AuthResponse),
            Self::Text(_) | Self::RefuseText(_) | Self::Octets(_) | Self::RefuseOctets(_) => {
                Awaits::Body
            }
            Self::ConnectAnswer(_)
            | Self::HelloAnswer(_)
            | Self::AuthAnswer(_)
            | Self::MailAnswer(_)
            | Self::RecipientAnswer(_)
            | Self::ResetAnswer(_)
            | Self::DataAnswer(_)
            | Self::EndAnswer(_)
            | Self::QuitAnswer(_) => Awaits::Answer,
            Self::Handshake(_) | Self::Closed => Awaits::Nothing,
        }
    }

    /// Has the host got bytes of a message that is not complete?
    pub(super) const fn is_in_body(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Octets(_) | Self::Chunk(_))
    }

    /// One framed line.
    pub(super) fn handle_frame(self, frame: &Frame, connection: &mut Connection) -> Self {
        match (self, frame) {
            (state, Frame::Incomplete) => state,
            // Not a line: what follows may be text that the peer meant as something else.
            (state, Frame::BareLineFeed) => {
                connection.refuse_command(&words::NUL_OR_CONTROL);
                connection.close();
                state
            }
            (Self::AuthResponse(state), Frame::TooLong(_)) => state.handle_too_long(connection),
            (Self::AuthResponse(state), Frame::Line(line)) => state.handle_line(line, connection),
            (state, Frame::TooLong(start)) => {
                connection.refuse_command(&words::LINE_TOO_LONG);
                if command::is_chunk(start) {
                    connection.close();
                }
                state
            }
            (state, Frame::Line(line)) => match command::parse(line) {
                Ok(command) => state.handle_command(command, connection),
                Err(NotACommand::Refuse(word)) => {
                    connection.refuse_command(word);
                    state
                }
                Err(NotACommand::Close(word)) => {
                    connection.refuse_command(word);
                    connection.close();
                    state
                }
            },
        }
    }

    fn handle_command(self, command: Command<'_>, connection: &mut Connection) -> Self {
        match self {
            Self::Refused(state) => state.handle_command(&command, connection),
            Self::Hello(state) => state.handle_command(command, connection),
            Self::Mail(state) => state.handle_command(command, connection),
            Self::Recipient(state) => state.handle_command(command, connection),
            Self::Chunk(state) => state.handle_command(command, connection),
            state => state,
        }
    }

    /// Bytes of a message. Returns how many were used.
    pub(super) fn handle_body(self, bytes: &[u8], connection: &mut Connection) -> (usize, Self) {
        match self {
            Self::Text(state) => state.handle_body(bytes, connection),
            Self::RefuseText(state) => state.handle_body(bytes, connection),
            Self::Octets(state) => state.handle_body(bytes, connection),
            Self::RefuseOctets(state) => state.handle_body(bytes, connection),
            state => (0, state),
        }
    }

    /// The end of the pause, where there is one.
    pub(super) fn handle_pause_end(self, connection: &mut Connection) -> Self {
        match self {
            Self::Pause(state) => state.handle_end(connection),
            state => state,
        }
    }

    /// The host's answer to the open question.
    pub(super) fn handle_answer(self, answer: Answer, connection: &mut Connection) -> Self {
        match self {
            Self::ConnectAnswer(state) => state.handle_answer(answer, connection),
            Self::HelloAnswer(state) => state.handle_answer(answer, connection),
            Self::AuthAnswer(state) => state.handle_answer(answer, connection),
            Self::MailAnswer(state) => state.handle_answer(answer, connection),
            Self::RecipientAnswer(state) => state.handle_answer(answer, connection),
            Self::ResetAnswer(state) => state.handle_answer(connection),
            Self::DataAnswer(state) => state.handle_answer(answer, connection),
            Self::EndAnswer(state) => state.handle_answer(answer, connection),
            Self::QuitAnswer(state) => state.handle_answer(connection),
            state => state,
        }
    }
}
