//! An HTTP/1.1 client of one connection, one request after the other.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::with_capacity(256 * 1024, stream) })
    }

    /// Sends a request as it is and gives the body of the answer, which must be 200.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.reader.get_mut().write_all(request)?;
        let (mut head, mut length) = (String::new(), None);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            if self.reader.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((name, value)) = head[start..].split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        let length = length.ok_or_else(|| io::Error::other(format!("an answer without length: {head}")))?;
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        if head.starts_with("HTTP/1.1 200 ") {
            Ok(body)
        } else {
            Err(io::Error::other(format!("{head}{}", String::from_utf8_lossy(&body))))
        }
    }
}
