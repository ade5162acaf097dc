//! `mbox-append FOLDER PATH`: appends the message on standard input as the server does. The
//! tests of this crate kill it and let it run out of space.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use delivery::file::{FileError, LockedFile, Postmark};
use mail::{ReversePath, Timestamp};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [folder, path] = arguments.as_slice() else {
        eprintln!("usage: mbox-append FOLDER PATH");
        return ExitCode::from(64);
    };
    match append(Path::new(folder), Path::new(path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(75)
        }
    }
}

fn append(folder: &Path, path: &Path) -> Result<(), FileError> {
    let mut file = LockedFile::open(folder, path, Duration::from_secs(10))?;
    let postmark = Postmark {
        sender: ReversePath::Null,
        received: Timestamp::from_seconds(0),
    };
    file.append_message(&postmark, std::io::stdin().lock())
}
