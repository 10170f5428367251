//! `documents`

use super::place::Located;
use super::settings::declare::settings;

settings! {
    /// The WSDL of services at `/soap/package.Service?wsdl`, and XML Schema there and at `/xsd/PACKAGE`: `true`, `false` or
    /// a mapping. Policies do not hold for them.
    pub struct Documents default, short for enabled {
        /// Whether they are given to whoever can connect.
        enabled: Located<bool> = true.into(),
        /// Whether they hold what the proto files say in comments.
        comments: Located<bool> = true.into(),
    }
    example "Write `true`, `false` or `{comments: false}`."
}
