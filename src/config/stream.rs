//! The `streams` and `messages` of a policy: how many streams, for how long, and how much may pass in them

use std::time::Duration;

use super::place::{Located, Place};
use super::plan::check_rates;
use super::problem::Problem;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::counted::CountedBy;
use super::value::flow::ByteRate;
use super::value::rate::Rate;

settings! {
    /// How many calls that last a caller may have, and for how long. Those are calls with streams, and all on
    /// WebSockets.
    pub struct Streams {
        /// Whose they are: `principal` is the key, user or certificate that was shown, `owner` whom that belongs to, `ip`
        /// the address (of IPv6 its network of 64 bits), `claim NAME` a claim of the caller, `header NAME` a header, and
        /// `everybody` counts all of them together.
        key: Located<CountedBy> = CountedBy::Principal.into(),
        /// How many at a time, in this process. Who opens more gets RESOURCE_EXHAUSTED, which is 429 in HTTP.
        max: Option<Located<u32>> = None => 1..=1_000_000,
        /// How long each may last. It ends with DEADLINE_EXCEEDED then.
        duration: Option<Located<Duration>> = None => Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600),
    }
    check check(max, duration)
    example "Write `streams: {max: 10, duration: 1h}`."
}

settings! {
    /// How much may pass in all streams of a caller together. A stream in which more passes ends with RESOURCE_EXHAUSTED.
    pub struct Messages {
        /// Whose streams they are, as under `streams`.
        key: Located<CountedBy> = CountedBy::Principal.into(),
        /// Which messages count.
        count: Located<Count> = Count::Both.into(),
        /// How many messages. All of them hold.
        rates: Vec<Located<Rate>> = Vec::new(),
        /// How many bytes they have, as protobuf or compressed: `1MiB/s` lets 1 MiB pass at once and then as much in each
        /// second, `64KiB/s burst 1MiB` lets 1 MiB pass at once. All of them hold.
        bytes: Vec<Located<ByteRate>> = Vec::new(),
    }
    check check(rates, bytes)
    example "Write `messages: {rates: [100/s]}`."
}

settings! {
    /// Which messages count.
    pub enum Count {
        /// Those that the caller sends and those that it is sent, together.
        "both" => Both,
        /// Those that the caller sends.
        "received" => Received,
        /// Those that the caller is sent.
        "sent" => Sent,
    }
}

impl Streams {
    fn check(
        reader: &mut Reader<'_>,
        max: Option<&Option<Located<u32>>>,
        duration: Option<&Option<Located<Duration>>>,
    ) {
        if max == Some(&None) && duration == Some(&None) {
            let text = format!("{} limits nothing.", reader.path());
            let _: Option<()> =
                reader.error(Problem::error(text).hint("Write `streams: {max: 10, duration: 1h}`."));
        }
    }

    /// Where it asks for something that only a caller has who is known.
    pub fn needs_identity(&self) -> Option<Option<Place>> {
        (self.max.is_some() && self.key.needs_identity()).then_some(self.key.place)
    }
}

impl Messages {
    fn check(
        reader: &mut Reader<'_>,
        rates: Option<&Vec<Located<Rate>>>,
        bytes: Option<&Vec<Located<ByteRate>>>,
    ) {
        let (Some(rates), Some(bytes)) = (rates, bytes) else { return };
        check_rates(reader, rates);
        check_rates(reader, bytes);
        if rates.is_empty() && bytes.is_empty() {
            let text = format!("{} limits nothing.", reader.path());
            let _: Option<()> =
                reader.error(Problem::error(text).hint("Write `messages: {rates: [100/s]}`."));
        }
    }

    /// Where it asks for something that only a caller has who is known.
    pub fn needs_identity(&self) -> Option<Option<Place>> {
        self.key.needs_identity().then_some(self.key.place)
    }
}
