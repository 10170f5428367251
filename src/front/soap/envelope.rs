//! Reading envelopes: what stands before the content of the body, by which a call is found and its caller known.

use super::fault::{Fault, Kind};
use super::security;
use super::version::Version;
use crate::call::credential::Credential;
use crate::codec::xml::error::ReadError;
use crate::codec::xml::lexer::Lexer;
use crate::schema::xml_name::unescaped;
use crate::status::{Code, Status};

/// The namespaces of WS-Addressing 1.0 and of the submission before it.
const ADDRESSING: [&str; 2] =
    ["http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"];
/// The longest name of a message that is sent back, in bytes.
const MAX_MESSAGE_ID: usize = 1024;
/// How many headers that are not understood are told.
const MAX_NOT_UNDERSTOOD: usize = 16;

/// What stands before the content of an envelope's body.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) version: Version,
    pub(super) header: Header,
    /// The namespace of the element in the body.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
}

/// What the headers say that are for the receiver of the message.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// The name of the message, by WS-Addressing.
    pub(super) message_id: Option<String>,
    /// What the sender offers to show who it is, by WS-Security.
    pub(super) credential: Option<Credential>,
    /// The namespaces and names of headers that must be understood and are not.
    pub(super) not_understood: Vec<(String, String)>,
    /// What is wrong with the credential.
    pub(super) refused: Option<Status>,
}

/// Reads up to the element in the body and goes into it. `is_secure` says whether nobody else can read the envelope.
///
/// # Errors
/// When it is no envelope of SOAP, or has no element in its body.
pub(super) fn open(lexer: &mut Lexer<'_>, is_secure: bool) -> Result<Opened, Fault> {
    let mut header = Header::default();
    let version = go_to_body(lexer, |version, lexer| read_header(version, lexer, is_secure, &mut header))?;
    if !lexer.child().map_err(invalid)? {
        let text = "The body of the envelope is empty. An element with the name of a method is needed.";
        return Err(Status::caller(Code::InvalidArgument, text).into());
    }
    let namespace = String::from_utf8_lossy(lexer.namespace()).into_owned();
    let name = unescaped(&String::from_utf8_lossy(lexer.local())).into_owned();
    Ok(Opened { version, header, namespace, name })
}

/// Goes into the element in the body of an envelope that was opened before.
///
/// # Errors
/// As for [`open`].
pub(super) fn reopen(lexer: &mut Lexer<'_>) -> Result<(), Fault> {
    go_to_body(lexer, |_, lexer| lexer.skip())?;
    lexer.child().map(drop).map_err(invalid)
}

/// What may follow the element in the body, to the end of the text.
///
/// # Errors
/// When there is another element in the body or behind it.
pub(super) fn finish(lexer: &mut Lexer<'_>) -> Result<(), Fault> {
    if lexer.child().map_err(invalid)? {
        let text = "the body has more than one element, and each message calls one method";
        return Err(invalid(lexer.refused(text)));
    }
    if lexer.child().map_err(invalid)? {
        return Err(invalid(lexer.refused("nothing may follow the body of an envelope")));
    }
    lexer.finish().map_err(invalid)
}

/// Goes into the body. The element with the headers is given to `header`, which goes behind its end.
fn go_to_body(
    lexer: &mut Lexer<'_>,
    mut header: impl FnMut(Version, &mut Lexer<'_>) -> Result<(), Box<ReadError>>,
) -> Result<Version, Fault> {
    lexer.root().map_err(invalid)?;
    let version = version_of(lexer)?;
    let mut has_header = false;
    while lexer.child().map_err(invalid)? {
        if lexer.is(version.namespace(), "Body") {
            return Ok(version);
        }
        if has_header || !lexer.is(version.namespace(), "Header") {
            let text = "an envelope holds one element Header, if it needs one, and then one element Body, both in its \
                        own namespace";
            return Err(invalid(lexer.refused(text)));
        }
        has_header = true;
        header(version, lexer).map_err(invalid)?;
    }
    let text = "The envelope has no element Body in its own namespace.";
    Err(Status::caller(Code::InvalidArgument, text).into())
}

fn version_of(lexer: &Lexer<'_>) -> Result<Version, Fault> {
    if lexer.local() != b"Envelope" {
        let text = "the root element must be the Envelope of SOAP 1.1 or SOAP 1.2";
        return Err(invalid(lexer.refused(text)));
    }
    let namespace = String::from_utf8_lossy(lexer.namespace());
    Version::of_namespace(&namespace).ok_or_else(|| {
        let text = format!(
            "The namespace of the envelope is none of SOAP 1.1, {}, or SOAP 1.2, {}.",
            Version::One.namespace(),
            Version::Two.namespace()
        );
        Fault { status: Status::caller(Code::InvalidArgument, text), kind: Kind::VersionMismatch }
    })
}

fn read_header(
    version: Version,
    lexer: &mut Lexer<'_>,
    is_secure: bool,
    header: &mut Header,
) -> Result<(), Box<ReadError>> {
    while lexer.child()? {
        let own = version.namespace();
        let text = |name: &str| {
            let value =
                lexer.attribute(own, name).map(|attribute| String::from_utf8_lossy(attribute.value()));
            value.unwrap_or_default().trim().to_owned()
        };
        let is_needed = matches!(&*text("mustUnderstand"), "1" | "true");
        if !version.is_receiver(&text(version.role())) {
            lexer.skip()?;
        } else if lexer.is(security::NAMESPACE, "Security") {
            security::read(lexer, is_secure, header)?;
        } else if ADDRESSING.iter().any(|known| lexer.namespace() == known.as_bytes()) {
            read_addressing(lexer, header)?;
        } else {
            if is_needed && header.not_understood.len() < MAX_NOT_UNDERSTOOD {
                let [namespace, local] = [lexer.namespace(), lexer.local()].map(String::from_utf8_lossy);
                header.not_understood.push((namespace.into_owned(), local.into_owned()));
            }
            lexer.skip()?;
        }
    }
    Ok(())
}

/// All of WS-Addressing is understood: answers go back where the request came from. Its name is in them.
fn read_addressing(lexer: &mut Lexer<'_>, header: &mut Header) -> Result<(), Box<ReadError>> {
    if lexer.local() != b"MessageID" {
        return lexer.skip();
    }
    let mut buffer = Vec::new();
    let leaf = lexer.leaf(&mut buffer)?;
    let name = leaf.of(&buffer).trim_ascii();
    if !name.is_empty() && name.len() <= MAX_MESSAGE_ID {
        header.message_id = Some(String::from_utf8_lossy(name).into_owned());
    }
    Ok(())
}

/// What is wrong with the text.
pub(super) fn invalid(error: Box<ReadError>) -> Fault {
    Status::from(error).into()
}
