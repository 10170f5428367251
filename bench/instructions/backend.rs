//! A gRPC backend of one connection that costs next to nothing and always sends the same frames.
//!
//! It writes the whole answer at once, so that the gateway reads the same pieces in every run. It understands of
//! HTTP/2 what the gateway's client sends, and no header at all: it answers every path alike.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// What a call is answered with.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The request's own message.
    Echo,
    /// This message.
    Message(Vec<u8>),
    /// This message so many times, a DATA frame each.
    Stream(Vec<u8>, usize),
    /// The same in frames of full size.
    Packed(Vec<u8>, usize),
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// On DATA and HEADERS: the last frame of the stream. On SETTINGS and PING: an acknowledgement.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
/// On HEADERS: the block is complete.
const END_HEADERS: u8 = 4;

const PREFACE: usize = 24;
const FRAME: usize = 16 * 1024;

/// `:status: 200`, and `content-type: application/grpc` and `grpc-status: 0` as new entries of the table.
const FIRST: [&[u8]; 2] = [b"\x88\x5f\x10application/grpc", b"\x40\x0bgrpc-status\x010"];
/// The same from the table, where the entry that came last is the first.
const LATER: [&[u8]; 2] = [b"\x88\xbf", b"\xbe"];

/// Starts a backend, which ends with its connection.
pub(crate) fn start(answer: Answer) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let served = listener.accept().and_then(|(stream, _)| serve(stream, &answer));
        if let Err(error) = served
            && !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
        {
            panic!("the backend failed: {error}");
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream, answer: &Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream.try_clone()?);
    reader.read_exact(&mut [0; PREFACE])?;
    let mut out = Vec::new();
    frame(&mut out, SETTINGS, 0, 0, &[]);
    // The window of the connection never closes: 2^31 - 1, less the 65,535 that it begins with.
    frame(&mut out, WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
    stream.write_all(&out)?;
    let (mut header, mut payload, mut request) = ([0; 9], Vec::new(), Vec::new());
    let mut blocks = FIRST;
    loop {
        reader.read_exact(&mut header)?;
        let [a, b, c, kind, flags, id @ ..] = header;
        payload.resize(u32::from_be_bytes([0, a, b, c]) as usize, 0);
        reader.read_exact(&mut payload)?;
        out.clear();
        match kind {
            SETTINGS if flags & ACK == 0 => frame(&mut out, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(&mut out, PING, ACK, 0, &payload),
            GOAWAY => return Ok(()),
            DATA => {
                request.extend_from_slice(&payload);
                if flags & END_STREAM != 0 {
                    let (data, size) = answer.data(&request);
                    request.clear();
                    let id = u32::from_be_bytes(id);
                    frame(&mut out, HEADERS, END_HEADERS, id, blocks[0]);
                    // All answers fit into the windows that the gateway opens.
                    data.chunks(size).for_each(|chunk| frame(&mut out, DATA, 0, id, chunk));
                    frame(&mut out, HEADERS, END_HEADERS | END_STREAM, id, blocks[1]);
                    blocks = LATER;
                }
            }
            _ => {}
        }
        stream.write_all(&out)?;
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

impl Answer {
    /// The data of an answer, and how much of it is in a frame.
    fn data(&self, request: &[u8]) -> (Vec<u8>, usize) {
        match self {
            Self::Echo => (request.to_vec(), FRAME),
            Self::Message(message) => (framed(message), FRAME),
            Self::Stream(message, count) => (framed(message).repeat(*count), framed(message).len()),
            Self::Packed(message, count) => (framed(message).repeat(*count), FRAME),
        }
    }
}

/// A message with the prefix of gRPC.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed
}
