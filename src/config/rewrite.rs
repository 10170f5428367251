//! `rewrites`

use super::place::Located;
use super::settings::declare::settings;

settings! {
    /// A beginning of paths that stands for another one, before a route is looked for. Of several that fit, the longest is
    /// taken, once.
    pub struct Rewrite {
        /// The whole segments that paths begin with, such as `/api`. `/` begins every path.
        prefix: Located<String>,
        /// What stands in their place: `/` for nothing, or other segments such as `/v1`.
        to: Located<String>,
        /// The host that requests are for, as in routes.
        host: Option<Located<String>> = None,
    }
    example "Write `- {prefix: /api, to: /}`."
}
