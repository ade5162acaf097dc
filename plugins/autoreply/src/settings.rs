//! The person's settings, as the directory names them.

use crate::dates;
use crate::memory::HOUR_MS;

/// `mailAutoReplyTimeOut` where it is not set: a week.
const TIME_OUT_HOURS: u64 = 168;

/// What the person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) echo: bool,
    pub(crate) text: Option<String>,
    pub(crate) text_internal: Option<String>,
    pub(crate) subject: Option<String>,
    time_out_hours: u64,
    start_ms: Option<u64>,
    end_ms: Option<u64>,
}

impl Settings {
    /// Reads them. A value that means nothing is an error: a reply in the wrong weeks is worse
    /// than none.
    pub(crate) fn read(settings: &dyn Fn(&str) -> Vec<String>) -> Result<Self, String> {
        let text = |name: &str| {
            settings(name)
                .into_iter()
                .next()
                .filter(|value| !value.trim().is_empty())
        };
        let echo = match text("mailAutoReplyMode")
            .map(|mode| mode.trim().to_ascii_lowercase())
            .as_deref()
        {
            None | Some("reply") => false,
            Some("echo") => true,
            Some(other) => return Err(format!("the mode '{other}' is neither reply nor echo")),
        };
        let time_out_hours = match text("mailAutoReplyTimeOut") {
            None => TIME_OUT_HOURS,
            Some(hours) => hours
                .trim()
                .parse()
                .map_err(|_| format!("the time-out '{hours}' is no number"))?,
        };
        let date = |name: &str| match text(name) {
            None => Ok(None),
            Some(date) => dates::parse(date.trim())
                .map(Some)
                .ok_or_else(|| format!("'{date}' is no date")),
        };
        Ok(Self {
            echo,
            text: text("mailAutoReplyText"),
            text_internal: text("mailAutoReplyTextInternal"),
            subject: text("mailAutoReplySubject"),
            time_out_hours,
            start_ms: date("vacationStartDate")?,
            end_ms: date("vacationEndDate")?,
        })
    }

    /// Is the person away now?
    pub(crate) fn check_date(&self, now_ms: u64) -> Result<(), String> {
        if self.start_ms.is_some_and(|start| now_ms < start) {
            return Err("the start date is not reached".to_owned());
        }
        if self.end_ms.is_some_and(|end| now_ms >= end) {
            return Err("the end date is over".to_owned());
        }
        Ok(())
    }

    /// How long a sender waits for the next reply. Time-out 0 means every time; an hour is kept
    /// all the same, so that two machines that answer each other stay quiet.
    pub(crate) fn window_ms(&self) -> u64 {
        self.time_out_hours.max(1).saturating_mul(HOUR_MS)
    }
}

#[cfg(test)]
mod tests;
