//! The benchmark starts servers of its own, measures scenario by scenario, and each one's figures
//! are on the page, in place of those before. Speed is not looked at: other tests run beside.

use std::fs;
use std::path::Path;
use std::process::Command;

use postroom_tests::{Ran, binary, run};

const BY_HAND: &str = "# Performance\n\nBy hand.\n";

fn suite(folder: &Path, arguments: &[&str]) -> Ran {
    let program = binary().with_file_name("postroom-bench");
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench");
    let mut command = Command::new(program);
    command
        .args(["suite", "--quick", "--server"])
        .arg(binary())
        .arg("--home")
        .arg(home)
        .arg("--folder")
        .arg(folder)
        .arg("--fixtures")
        .arg(folder)
        .arg("--page")
        .arg(folder.join("page.md"))
        .args(arguments);
    run(&mut command, b"")
}

/// The rows of all tables in a part of the page, without heads.
fn rows<'a>(page: &'a str, scenario: &str) -> Vec<Vec<&'a str>> {
    let start = page.split_once(&format!("<!-- {scenario} -->"));
    let part = start.and_then(|(_, rest)| rest.split_once(&format!("<!-- end of {scenario} -->")));
    let (part, _) = part.unwrap_or_else(|| panic!("no part '{scenario}' in {page}"));
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
    let lines: Vec<&str> = part.lines().collect();
    let is_row = |index: &usize| {
        let next = lines.get(index + 1).unwrap_or(&"");
        lines[*index].starts_with('|')
            && !lines[*index].starts_with("|-")
            && !next.starts_with("|-")
    };
    (0..lines.len())
        .filter(is_row)
        .map(|index| cells(lines[index]))
        .collect()
}

fn number(cell: &str) -> f64 {
    let text = cell.trim_matches(|letter: char| !letter.is_ascii_digit());
    let text = text.replace(',', "");
    text.parse()
        .unwrap_or_else(|_| panic!("'{cell}' is no figure"))
}

#[test]
fn the_benchmark_fills_its_page() {
    let folder = tempfile::tempdir().expect("there is room");
    let page = folder.path().join("page.md");
    fs::write(&page, BY_HAND).expect("it is written");
    let small = [
        "--gigabytes",
        "0.005",
        "--minutes",
        "0.05",
        "--mailbox",
        "1100",
    ];
    let scenarios = ["dot", "mailbox", "restart", "soak", "disk"];
    let ran = suite(folder.path(), &[&small[..], &scenarios].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = fs::read_to_string(&page).expect("it is there");
    assert!(text.starts_with(BY_HAND), "{text}");

    let dot = rows(&text, "dot");
    let sizes: Vec<&str> = dot.iter().map(|row| row[0]).collect();
    assert_eq!(sizes, ["4 KiB", "10 KiB", "100 KiB", "5120 KiB"]);
    assert!(
        dot.iter()
            .all(|row| (1..=5).all(|index| number(row[index]) > 0.0))
    );

    let mailbox = rows(&text, "mailbox");
    let sizes: Vec<&str> = mailbox.iter().map(|row| row[0]).collect();
    assert_eq!(sizes, ["1,000", "1,100"]);
    assert!(
        text.contains("1,100 messages to 1,000: append **"),
        "{text}"
    );

    let restart = rows(&text, "restart");
    assert_eq!(restart.len(), 1);
    assert!(number(restart[0][2]) > 0.0);
    assert!(
        number(restart[0][4]) >= number(restart[0][3]),
        "{restart:?}"
    );

    let soak = rows(&text, "soak");
    assert_eq!(soak.len(), 11, "the start and ten looks");
    assert!(soak.iter().all(|row| number(row[1]) > 1.0), "{soak:?}");

    let disk = rows(&text, "disk");
    assert_eq!(disk.len(), 3, "ordinary, attachments, noise");
    for row in &disk {
        // Mail that took nothing would be mail that is not there.
        assert!(number(row[5]) > 0.1, "{row:?}");
    }

    // Nothing is left but what the test made.
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_scenario_that_fails_leaves_the_others_their_figures() {
    let folder = tempfile::tempdir().expect("there is room");
    // There are no plugins in the folder that is given for them.
    let ran = suite(folder.path(), &["swap", "plugin"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("swap: "), "{}", ran.err);
    let text = fs::read_to_string(folder.path().join("page.md")).expect("it is there");
    assert!(!text.contains("<!-- swap -->"), "{text}");
    assert_eq!(rows(&text, "plugin").len(), 4);
}
