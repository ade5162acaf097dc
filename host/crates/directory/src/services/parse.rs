//! From the text of the attribute to rules.

use std::net::{IpAddr, Ipv4Addr};

use mail::Service;

use super::{ClientItem, Kind, List, Rule, ServiceItem, ServicesError};

/// Rules of one attribute; more are a mistake.
const RULES: usize = 100;

pub(super) fn rules(text: &str) -> Result<Vec<Rule>, ServicesError> {
    let rules: Vec<&str> = text.split('$').collect();
    if rules.len() > RULES {
        let problem = format!("there are more than {RULES} rules");
        return Err(ServicesError {
            rule: String::new(),
            problem,
        });
    }
    let error = |rule: &str, problem| ServicesError {
        rule: rule.to_owned(),
        problem,
    };
    rules
        .into_iter()
        .map(|rule| parse(rule.trim()).map_err(|problem| error(rule, problem)))
        .collect()
}

fn parse(rule: &str) -> Result<Rule, String> {
    let (kind, rest) = match rule.chars().next() {
        Some('+') => (Kind::Allow, &rule[1..]),
        Some('-') => (Kind::Deny, &rule[1..]),
        _ => return Err("it begins with neither '+' nor '-'".to_owned()),
    };
    let (services, clients) = rest
        .split_once(':')
        .ok_or("there is no ':' between services and clients")?;
    Ok(Rule {
        kind,
        services: list(services, service)?,
        clients: list(clients, client)?,
    })
}

fn list<T>(text: &str, item: fn(&str) -> Result<T, String>) -> Result<List<T>, String> {
    let words: Vec<&str> = text
        .split([',', ' ', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let mut parts = words.split(|word| word.eq_ignore_ascii_case("EXCEPT"));
    let mut next = || {
        parts.next().map(|words| {
            words
                .iter()
                .map(|word| item(word))
                .collect::<Result<Vec<_>, _>>()
        })
    };
    let items = next().unwrap_or_else(|| Ok(Vec::new()))?;
    if items.is_empty() {
        return Err("a list is empty".to_owned());
    }
    let except = match next() {
        None => Vec::new(),
        Some(except) => {
            let except = except?;
            if except.is_empty() {
                return Err("nothing stands after EXCEPT".to_owned());
            }
            except
        }
    };
    if next().is_some() {
        return Err("EXCEPT stands twice in one list".to_owned());
    }
    Ok(List { items, except })
}

fn service(word: &str) -> Result<ServiceItem, String> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "*" | "all" => ServiceItem::All,
        "imap" => ServiceItem::One(Service::Imap),
        "imaps" => ServiceItem::One(Service::Imaps),
        "pop" | "pop3" => ServiceItem::One(Service::Pop3),
        "pops" | "pop3s" => ServiceItem::One(Service::Pop3s),
        "smtp" => ServiceItem::One(Service::Smtp),
        "smtps" => ServiceItem::One(Service::Smtps),
        "http" => ServiceItem::One(Service::Http),
        "managesieve" => ServiceItem::ManageSieve,
        _ => {
            return Err(format!(
                "'{word}' is not a service (imap, imaps, pop, pops, smtp, smtps, http, managesieve, ALL)"
            ));
        }
    })
}

fn client(word: &str) -> Result<ClientItem, String> {
    match word.to_ascii_uppercase().as_str() {
        "*" | "ALL" => return Ok(ClientItem::All),
        "LOCAL" => return Ok(ClientItem::Local),
        "KNOWN" => return Ok(ClientItem::Known),
        "UNKNOWN" => return Ok(ClientItem::Unknown),
        "DNSSPOOFER" => return Ok(ClientItem::DnsSpoofer),
        _ => {}
    }
    if let Some(network) = network(word)? {
        return Ok(network);
    }
    let below = word.strip_prefix('.');
    let name = mail::Domain::parse(below.unwrap_or(word))
        .map_err(|_| format!("'{word}' is neither an address, a network, a name nor LOCAL, KNOWN, UNKNOWN, DNSSPOOFER, ALL"))?;
    let name = name.as_str().to_owned();
    Ok(if below.is_some() {
        ClientItem::Below(name)
    } else {
        ClientItem::Host(name)
    })
}

/// An address or a network; `None` where it is neither, so a name.
fn network(word: &str) -> Result<Option<ClientItem>, String> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(word);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Some(ClientItem::Network {
            address,
            prefix: width(address),
        }));
    }
    if let Some((address, mask)) = word.split_once('/') {
        let bad = || format!("'{word}' is not a network");
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let prefix = match mask.parse::<Ipv4Addr>() {
            Ok(mask) if address.is_ipv4() => contiguous(mask).ok_or_else(bad)?,
            _ => mask.parse().map_err(|_| bad())?,
        };
        if prefix > width(address) {
            return Err(bad());
        }
        return Ok(Some(ClientItem::Network { address, prefix }));
    }
    if word.ends_with('.')
        || word
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return prefix_of_address(word)
            .map(Some)
            .ok_or_else(|| format!("'{word}' is not an address"));
    }
    Ok(None)
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn contiguous(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let ones = bits.leading_ones();
    (bits.count_ones() == ones).then_some(ones as u8)
}

/// `192.0.2.`: every address that begins so.
fn prefix_of_address(word: &str) -> Option<ClientItem> {
    let parts: Vec<u8> = word
        .strip_suffix('.')?
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let mut octets = [0; 4];
    if parts.is_empty() || parts.len() > 3 {
        return None;
    }
    octets[..parts.len()].copy_from_slice(&parts);
    Some(ClientItem::Network {
        address: IpAddr::from(octets),
        prefix: parts.len() as u8 * 8,
    })
}
