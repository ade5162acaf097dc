//! Ordinary mail: replies with what they answer, letters as text and HTML, newsletters. Every one
//! is another one, so that what is the same in two of them is what is so in real mail too: names
//! of fields, phrases, layout. What cannot be guessed in real mail cannot be here either:
//! signatures, ids, tokens in links.

use std::fmt::Write as _;

use super::words::{heading, name, paragraph};
use super::{Random, base64, quoted_printable};

/// The message for a number, with CRLF line ends, ready for DATA.
pub(super) fn message(number: usize) -> Vec<u8> {
    let mut random = Random::new(number);
    let random = &mut random;
    let text = match number % 10 {
        0..5 => reply(random),
        5..8 => letter(random),
        _ => newsletter(random),
    };
    text.into_bytes()
}

/// Half of all mail: some lines above a quoted letter.
fn reply(random: &mut Random) -> String {
    let mut body = format!("Hi {},\r\n\r\n", name(random));
    for _ in 0..=random.below(4) {
        body.push_str(&wrapped(&paragraph(random), ""));
    }
    body.push_str(&signature(random));
    let (day, hour) = (1 + random.below(28), random.below(24));
    let _ = write!(
        body,
        "\r\nOn {day} Jan 2026 at {hour:02}:15, {} wrote:\r\n",
        name(random)
    );
    for _ in 0..=random.below(8) {
        body.push_str(&wrapped(&paragraph(random), "> "));
    }
    format!(
        "{}Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}",
        head(random, "Re: "),
        quoted_printable::encode(&body)
    )
}

/// A person's letter by a program that writes HTML.
fn letter(random: &mut Random) -> String {
    let paragraphs: Vec<String> = (0..2 + random.below(6))
        .map(|_| paragraph(random))
        .collect();
    let signature = signature(random);
    let plain: String = paragraphs.iter().map(|text| wrapped(text, "")).collect();
    let mut html = HTML_START.to_owned();
    for text in &paragraphs {
        let _ = write!(
            html,
            "<p class=\"MsoNormal\" style=\"margin:0cm 0cm 8pt\"><span style=\"font-size:11pt;font-family:Calibri,sans-serif;color:#1f1f1f\">{text}</span></p>\r\n<p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>\r\n"
        );
    }
    let _ = write!(
        html,
        "<div style=\"color:#666666\">{}</div>\r\n</body></html>\r\n",
        signature.replace("\r\n", "<br>\r\n")
    );
    alternative(random, "", &format!("{plain}{signature}"), &html)
}

/// A shop's: tables in tables, styles at every cell, links that know who clicked.
fn newsletter(random: &mut Random) -> String {
    let mut plain = String::new();
    let mut html = HTML_START.to_owned();
    html.push_str("<table width=\"600\" align=\"center\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"border-collapse:collapse;background-color:#ffffff\">\r\n");
    for item in 0..6 + random.below(18) {
        let (title, text) = (heading(random), paragraph(random));
        let link = format!(
            "https://click.shop{}.example/t/{}",
            item % 3,
            token(random, 96)
        );
        plain.push_str(&wrapped(&format!("{title}: {text}"), ""));
        let _ = write!(plain, "{link}\r\n\r\n");
        let _ = write!(
            html,
            "<tr><td style=\"padding:12px 24px 0 24px;font-family:Arial,Helvetica,sans-serif;font-size:18px;line-height:24px;font-weight:bold;color:#222222\"><a href=\"{link}\" target=\"_blank\" style=\"color:#0a58ca;text-decoration:none\">{title}</a></td></tr>\r\n\
             <tr><td style=\"padding:6px 24px 18px 24px;font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:20px;color:#444444\"><img src=\"https://img.shop.example/{}.jpg\" width=\"552\" height=\"240\" alt=\"{title}\" style=\"display:block;border:0\"><br>{text}</td></tr>\r\n",
            token(random, 24)
        );
    }
    html.push_str("</table>\r\n</body></html>\r\n");
    let unsubscribe = format!(
        "List-Unsubscribe: <https://shop.example/u/{}>\r\nPrecedence: bulk\r\n",
        token(random, 64)
    );
    alternative(random, &unsubscribe, &plain, &html)
}

const HTML_START: &str = "<!DOCTYPE html>\r\n<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\r\n<style type=\"text/css\">@media only screen and (max-width:600px){table{width:100%!important}} a{color:#0a58ca} p.MsoNormal{margin:0;font-size:11pt}</style></head>\r\n<body lang=\"EN-GB\" style=\"margin:0;padding:0;background-color:#f4f4f4\">\r\n";

fn alternative(random: &mut Random, fields: &str, plain: &str, html: &str) -> String {
    let boundary = format!("----=_Part_{}", token(random, 20));
    let mut text = head(random, "");
    text.push_str(fields);
    let _ = write!(
        text,
        "Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n"
    );
    for (kind, part) in [("plain", plain), ("html", html)] {
        let _ = write!(
            text,
            "--{boundary}\r\nContent-Type: text/{kind}; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n",
            quoted_printable::encode(part)
        );
    }
    let _ = write!(text, "--{boundary}--\r\n");
    text
}

/// Header fields as a message has them that came over two hosts.
fn head(random: &mut Random, reply: &str) -> String {
    let (minute, second) = (random.below(60), random.below(60));
    let date = format!("Mon, 05 Jan 2026 10:{minute:02}:{second:02} +0000");
    let host = format!("out{}.sender.example", random.below(40));
    let address = format!("192.0.2.{}", random.below(256));
    let mut text = String::new();
    for by in ["mx.bench.example", "relay.sender.example"] {
        let _ = write!(
            text,
            "Received: from {host} ({host} [{address}])\r\n\tby {by} (Postfix) with ESMTPS id {}\r\n\tfor <members@bench.example>; {date}\r\n",
            token(random, 11)
        );
    }
    let _ = write!(
        text,
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=s2026;\r\n\th=from:to:subject:date:message-id:mime-version; bh={};\r\n",
        base64::encode(&random.bytes(32))
    );
    let signature = base64::encode(&random.bytes(256));
    let (first, rest) = signature.split_at(64);
    let _ = write!(
        text,
        "\tb={first}\r\n\t{}\r\n",
        rest.replace("\r\n", "\r\n\t")
    );
    let (sender, recipient) = (name(random), name(random));
    let _ = write!(
        text,
        "From: {} <{}@sender.example>\r\nTo: {} <members@bench.example>\r\nSubject: {reply}{}\r\nDate: {date}\r\nMessage-ID: <{}@sender.example>\r\n",
        encoded_word(sender),
        token(random, 8),
        encoded_word(recipient),
        heading(random),
        token(random, 32)
    );
    if !reply.is_empty() {
        let answered = token(random, 32);
        let _ = write!(
            text,
            "In-Reply-To: <{answered}@bench.example>\r\nReferences: <{}@bench.example>\r\n\t<{answered}@bench.example>\r\n",
            token(random, 32)
        );
    }
    text.push_str("MIME-Version: 1.0\r\n");
    text
}

/// RFC 2047, where it is needed.
fn encoded_word(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    format!("=?utf-8?B?{}?=", base64::encode(name.as_bytes()))
}

fn signature(random: &mut Random) -> String {
    let person = name(random);
    let phone = 1_000_000 + random.below(9_000_000);
    format!(
        "Kind regards\r\n{person}\r\n\r\n-- \r\n{person} Sender, {}\r\nSender Ltd, 12 Long Street, Example Town\r\nPhone +44 20 {phone} | https://www.sender.example\r\n",
        heading(random)
    )
}

/// A paragraph in lines of a letter, and an empty one.
fn wrapped(text: &str, mark: &str) -> String {
    let mut lines = mark.to_owned();
    let mut column = mark.len();
    for word in text.split(' ') {
        if column + word.len() > 72 {
            let _ = write!(lines, "\r\n{mark}");
            column = mark.len();
        }
        let _ = write!(lines, "{word} ");
        column += word.len() + 1;
    }
    let _ = write!(lines, "\r\n{}\r\n", mark.trim_end());
    lines
}

/// Letters and digits that mean nothing.
fn token(random: &mut Random, length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..length)
        .map(|_| char::from(LETTERS[random.below(LETTERS.len())]))
        .collect()
}
