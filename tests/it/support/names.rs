//! A name server whose answers change, over UDP and TCP (RFC 1035).

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};

/// What a name has.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Srv { priority: u16, weight: u16, port: u16, host: &'static str },
    Cname(&'static str),
}

/// What is said of a name.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// These records, which hold for so many seconds.
    Has(u32, Vec<Record>),
    /// It does not exist. So it is of all names of which nothing else is known.
    Missing,
    /// SERVFAIL.
    Fails,
    /// REFUSED.
    Refuses,
    /// Nothing at all.
    Silent,
    /// The first for A and the second for all else.
    ByKind(Box<Self>, Box<Self>),
}

impl Say {
    /// These IPv4 addresses.
    pub(crate) fn addresses(ttl: u32, last_parts: &[u8]) -> Self {
        let record = |part: &u8| Record::A(Ipv4Addr::new(127, 0, 0, *part));
        Self::Has(ttl, last_parts.iter().map(record).collect())
    }
}

#[derive(Default)]
struct Zone {
    names: HashMap<String, Say>,
    asked: HashMap<String, usize>,
    by_tcp: usize,
}

/// A running name server. Its threads end with the process.
pub(crate) struct Names {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// More is truncated over UDP.
const DATAGRAM: usize = 512;

impl Names {
    pub(crate) fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let (address, zone) = (udp.local_addr().unwrap(), Arc::new(Mutex::new(Zone::default())));
        let (of_udp, of_tcp) = (Arc::clone(&zone), Arc::clone(&zone));
        std::thread::spawn(move || {
            let mut question = [0; DATAGRAM];
            while let Ok((length, from)) = udp.recv_from(&mut question) {
                let Some(mut answer) = answer(&of_udp, &question[..length]) else { continue };
                if answer.len() > DATAGRAM {
                    answer.truncate(question_end(&question[..length]));
                    answer[2] |= 2;
                    answer[6..12].fill(0);
                }
                let _ = udp.send_to(&answer, from);
            }
        });
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let zone = Arc::clone(&of_tcp);
                std::thread::spawn(move || while talk(&stream, &zone).is_some() {});
            }
        });
        Self { address, zone }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is said of a name.
    pub(crate) fn set(&self, name: &str, say: Say) {
        self.zone.lock().unwrap().names.insert(name.to_owned(), say);
    }

    /// How often it was asked for a name, of each kind.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.zone.lock().unwrap().asked.get(name).copied().unwrap_or(0)
    }

    /// How many questions came over TCP.
    pub(crate) fn by_tcp(&self) -> usize {
        self.zone.lock().unwrap().by_tcp
    }
}

/// One question and its answer; nothing once the other side has gone.
fn talk(mut stream: &TcpStream, zone: &Mutex<Zone>) -> Option<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut question = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut question).ok()?;
    zone.lock().unwrap().by_tcp += 1;
    let Some(answer) = answer(zone, &question) else { return Some(()) };
    let length = u16::try_from(answer.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).ok()
}

/// Where the only question of a message ends.
fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

/// The answer to a question; nothing where nothing is said.
fn answer(zone: &Mutex<Zone>, question: &[u8]) -> Option<Vec<u8>> {
    let end = question_end(question);
    let mut labels = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..=at + length]).to_lowercase());
        at += 1 + length;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([question[end - 4], question[end - 3]]);
    let say = {
        let mut zone = zone.lock().unwrap();
        *zone.asked.entry(name.clone()).or_default() += 1;
        zone.names.get(&name).cloned().unwrap_or(Say::Missing)
    };
    let say = match say {
        Say::ByKind(four, _) if kind == A => *four,
        Say::ByKind(_, other) => *other,
        say => say,
    };
    let (code, ttl, records) = match say {
        Say::Has(ttl, records) => (0, ttl, records),
        Say::Fails => (2, 0, Vec::new()),
        Say::Missing => (3, 0, Vec::new()),
        Say::Refuses => (5, 0, Vec::new()),
        Say::Silent | Say::ByKind(..) => return None,
    };
    let written: Vec<_> = records.iter().filter_map(|record| write(record, kind)).collect();
    let mut answer = question[..2].to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1]);
    answer.extend(u16::try_from(written.len()).unwrap().to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(&question[12..end]);
    for (kind, data) in written {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1]);
        answer.extend(ttl.to_be_bytes());
        answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// The kind and the data of a record, if it answers a question of this kind.
fn write(record: &Record, asked: u16) -> Option<(u16, Vec<u8>)> {
    let (kind, data) = match record {
        Record::A(address) => (A, address.octets().to_vec()),
        Record::Aaaa(address) => (AAAA, address.octets().to_vec()),
        Record::Srv { priority, weight, port, host } => {
            let mut data = [priority, weight, port].map(|number| number.to_be_bytes()).concat();
            data.extend(write_name(host));
            (SRV, data)
        }
        Record::Cname(name) => (CNAME, write_name(name)),
    };
    (kind == asked || kind == CNAME).then_some((kind, data))
}

fn write_name(name: &str) -> Vec<u8> {
    let mut written = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        written.push(u8::try_from(label.len()).unwrap());
        written.extend(label.as_bytes());
    }
    written.push(0);
    written
}
