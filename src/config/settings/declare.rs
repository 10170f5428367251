//! One declaration for a section of the file: the struct, its reader and its JSON Schema.
//!
//! ```text
//! settings! {
//!     /// What the section is.
//!     pub struct Section {
//!         /// A key without a default must be written.
//!         address: Located<SocketAddr>,
//!         /// A key with a default, and with bounds where `=>` gives them.
//!         body: Located<ByteSize> = ByteSize::mib(4).into() => ByteSize::kib(1)..=ByteSize::gib(1),
//!         /// A key that may be left out.
//!         timeout: Option<Located<Duration>> = None,
//!     }
//!     later { keys_of_later_versions }
//! }
//! ```
//!
//! - `pub struct Section default { ... }` implements `Default`; all keys need a default.
//! - `pub struct Section, short for key { ... }` may also be written as the value of that key alone;
//!   `short for [key]` as one element of it.
//! - `pub enum Words { "word" => Variant, ... }` is one of several words.
//! - `pub enum Choice { key: Variant(Type), ... }` is a mapping with exactly one of the keys.
//! - `check function(key, ...)` after the keys calls a function of the type with those keys that could be
//!   read, whether or not the others could; there may be several. `check function` of a choice calls it with the choice.
//!
//! A reader reports everything that is wrong with its section before it gives up, so that a file is
//! mended in one go.

/// The name of a key whose field is called so: one that is a word of Rust is written `r#word`.
pub(crate) const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// See the documentation of the module.
macro_rules! settings {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident $($default_impl:ident)?
        $(, short for $short:ident)? $(, short for [$shorts:ident])?
        {
            $(
                $(#[doc = $field_doc:literal])+
                $field:ident : $ty:ty $(= $default:expr)? $(=> $bounds:expr)?
            ),+ $(,)?
        }
        $(later { $($later:ident),+ $(,)? })?
        $(check $check:ident($($part:ident),+))*
        $(example $example:expr)?
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $field_doc])+ pub $field: $ty,)+
        }

        impl $name {
            const SHAPE: $crate::config::schema::Shape = $crate::config::schema::Shape {
                name: stringify!($name),
                description: &[$($doc),+],
                keys: &[$($crate::config::settings::declare::key(stringify!($field))),+],
                later: &[$($(stringify!($later)),+)?],
                short: $crate::config::settings::declare::settings!(@short $($short)? $([$shorts])?),
                example: $crate::config::settings::declare::settings!(@option $($example)?),
            };
        }

        impl $crate::config::settings::Setting for $name {
            const WHAT: &'static str = "a mapping of keys to values";

            fn read(
                node: &$crate::config::node::Node,
                reader: &mut $crate::config::settings::read::Reader<'_>,
            ) -> Option<Self> {
                let section = reader.section(node, &Self::SHAPE)?;
                // Everything is read before the first failure ends it.
                $(
                    let $field: Option<$ty> = section.read(
                        reader,
                        $crate::config::settings::declare::key(stringify!($field)),
                        $crate::config::settings::declare::settings!(@option $($default)?),
                    );
                    $(let $field = $field.and_then(|value| {
                        reader.bounds($crate::config::settings::declare::key(stringify!($field)), value, &$bounds)
                    });)?
                )+
                $(Self::$check(reader, $($part.as_ref()),+);)*
                Some(Self { $($field: $field?),+ })
            }

            fn schema(schemas: &mut $crate::config::schema::Schemas) -> serde_json::Value {
                schemas.section(&Self::SHAPE, |schemas| {
                    vec![$({
                        let default: Option<$ty> =
                            $crate::config::settings::declare::settings!(@option $($default)?);
                        $crate::config::schema::Property {
                            key: $crate::config::settings::declare::key(stringify!($field)),
                            description: &[$($field_doc),+],
                            schema: <$ty as $crate::config::settings::Setting>::schema(schemas),
                            required: default.is_none(),
                            default: default.as_ref().and_then(|value| {
                                $crate::config::settings::Setting::written(value)
                            }),
                            bounds: $crate::config::settings::declare::settings!(@bounds $($bounds)?),
                        }
                    }),+]
                })
            }

            fn written(&self) -> Option<serde_json::Value> {
                let mut section = serde_json::Map::new();
                $(
                    if let Some(value) = $crate::config::settings::Setting::written(&self.$field) {
                        section.insert($crate::config::settings::declare::key(stringify!($field)).to_owned(), value);
                    }
                )+
                Some(serde_json::Value::Object(section))
            }
        }

        $crate::config::settings::declare::settings! {
            @default [$($default_impl)?] $name { $($field = [$($default)?])+ }
        }
    };

    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $($(#[doc = $word_doc:literal])+ $word:literal => $variant:ident),+ $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $word_doc])+ $variant,)+
        }

        impl $crate::config::settings::Scalar for $name {
            const WHAT: &'static str = concat!(
                "one of the words ",
                $crate::config::settings::declare::settings!(@words $($word),+)
            );

            fn parse(text: &str, _: &std::path::Path) -> Result<Self, $crate::config::problem::Flaw> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err($crate::config::settings::word::wrong_word(other, &[$($word),+])),
                }
            }

            fn schema() -> serde_json::Value {
                $crate::config::schema::words(&[$(($word, &[$($word_doc),+])),+])
            }

            fn to_json(&self) -> serde_json::Value {
                match self { $(Self::$variant => $word.into(),)+ }
            }
        }
    };

    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $($(#[doc = $key_doc:literal])+ $key:ident : $variant:ident($ty:ty)),+ $(,)?
        }
        $(later { $($later:ident),+ $(,)? })?
        $(check $check:ident)?
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $($(#[doc = $key_doc])+ $variant($ty),)+
        }

        impl $name {
            const SHAPE: $crate::config::schema::Shape = $crate::config::schema::Shape {
                name: stringify!($name),
                description: &[$($doc),+],
                keys: &[$(stringify!($key)),+],
                later: &[$($(stringify!($later)),+)?],
                short: None,
                example: None,
            };
        }

        impl $crate::config::settings::Setting for $name {
            const WHAT: &'static str = concat!("a mapping with one of the keys" $(, " `", stringify!($key), "`")+);

            fn read(
                node: &$crate::config::node::Node,
                reader: &mut $crate::config::settings::read::Reader<'_>,
            ) -> Option<Self> {
                let section = reader.section(node, &Self::SHAPE)?;
                let mut found = Vec::new();
                $(
                    if section.has(stringify!($key)) {
                        let value: Option<$ty> = section.read(reader, stringify!($key), None);
                        found.push(value.map(Self::$variant));
                    }
                )+
                $(found.iter().flatten().for_each(|choice| Self::$check(choice, reader));)?
                if found.len() != 1 {
                    reader.one_of(&section);
                    return None;
                }
                found.pop()?
            }

            fn schema(schemas: &mut $crate::config::schema::Schemas) -> serde_json::Value {
                schemas.choice(&Self::SHAPE, |schemas| {
                    vec![$($crate::config::schema::Property {
                        key: stringify!($key),
                        description: &[$($key_doc),+],
                        schema: <$ty as $crate::config::settings::Setting>::schema(schemas),
                        required: true,
                        default: None,
                        bounds: None,
                    }),+]
                })
            }

            fn written(&self) -> Option<serde_json::Value> {
                let (key, value) = match self {
                    $(Self::$variant(value) => {
                        (stringify!($key), $crate::config::settings::Setting::written(value)?)
                    })+
                };
                Some(serde_json::Value::Object([(key.to_owned(), value)].into_iter().collect()))
            }
        }
    };

    (@words $last:literal) => { concat!("`", $last, "`") };
    (@words $first:literal, $($rest:literal),+) => {
        concat!("`", $first, "`, ", $crate::config::settings::declare::settings!(@words $($rest),+))
    };
    (@option) => { None };
    (@option $value:expr) => { Some($value) };
    (@short) => { None };
    (@short [$key:ident]) => { Some((stringify!($key), true)) };
    (@short $key:ident) => { Some((stringify!($key), false)) };
    (@bounds) => { None };
    (@bounds $bounds:expr) => { Some($crate::config::settings::edges(&$bounds)) };
    (@default [] $($rest:tt)*) => {};
    (@default [default] $name:ident { $($field:ident = [$default:expr])+ }) => {
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }
    };
}
pub(crate) use settings;
