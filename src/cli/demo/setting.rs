//! The configuration of the demo's gateway.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::keys::Known;

/// Who listens where.
#[derive(Debug)]
pub(super) struct Setting {
    /// Where the gateway is asked to listen.
    address: SocketAddr,
    pub(super) admin: Option<SocketAddr>,
    /// The backends of the bookstore.
    pub(super) copies: Vec<SocketAddr>,
    /// The services of the shop by name.
    pub(super) shop: Vec<(String, SocketAddr)>,
}

impl Setting {
    pub(super) fn new(address: SocketAddr, admin: Option<SocketAddr>, backends: &[Known]) -> Self {
        let is_copy = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
        let addresses = backends.iter().map(|(name, backend)| (name.clone(), backend.address()));
        let (copies, shop): (Vec<_>, Vec<_>) = addresses.partition(|(name, _)| is_copy(name));
        Self { address, admin, copies: copies.into_iter().map(|(_, address)| address).collect(), shop }
    }

    /// The file that another gateway could be given.
    pub(super) fn configuration(&self) -> String {
        let mut text = format!("listeners:\n  - address: {}\n", self.address);
        let mut write = |line: std::fmt::Arguments<'_>| {
            text.write_fmt(line).expect("a String takes everything");
            text.push('\n');
        };
        if let Some(admin) = self.admin {
            write(format_args!("admin: {admin}"));
        }
        write(format_args!("upstreams:"));
        match &*self.copies {
            [only] => write(format_args!("  demo: http://{only}")),
            several => {
                write(format_args!("  demo:\n    targets:"));
                several.iter().for_each(|address| write(format_args!("      - http://{address}")));
                write(format_args!("{}", SEVERAL.trim_end()));
            }
        }
        for (name, address) in &self.shop {
            write(format_args!("  {name}: http://{address}"));
        }
        text + SERVICES + USERS + DASHBOARD
    }
}

/// What keeps callers from noticing that one of several backends fails. Each is left alone for short, so that one who
/// tries it need not wait.
const SEVERAL: &str = "    health: { grpc: bookstore.v1.Bookstore, interval: 1s, timeout: 500ms }
    outliers: { consecutive_failures: 3, eject_for: 1s }
    retries: { attempts: 2, attempt_timeout: 1s }
    circuit: { max_in_flight: 1000, max_pending: 100 }
";

const SERVICES: &str = "\
services:
  - { service: bookstore.v1.*, upstream: demo }
  - { service: chat.v1.*, upstream: demo }
  - users.v1.*
  - { service: users.v2.*, upstream: users }
  - { service: orders.v1.*, upstream: orders }
  - { service: offers.v1.*, upstream: offers }
  - { service: pages.v1.*, upstream: pages }
";

/// Callers of the first version of the users are answered by the second one, and are told that theirs ends.
const USERS: &str = "\
translations:
  - service: users.v1.Users
    by: users.v2.Users
    messages:
      users.v1.User:
        fields: { full_name: display_name, email: contact.email }
        answer: { drop: [segment, contact.phone] }
versions:
  - { name: v1, match: [{ path: /v1/users }], services: [users.v1.Users], deprecated: 2026-01-01, successor: /v2/users }
  - { name: v2, match: [{ path: /v2/users }], default: true, services: [users.v2.Users] }
";

/// A route that answers with what three services say.
const DASHBOARD: &str = r#"routes:
  - path: /v1/dashboard/{user_id}
    method: GET
    name: dashboard.v1.Dashboards/GetDashboard
    aggregate:
      user: { call: users.v2.Users/GetUser, request: { id: "{user_id}" }, select: [display_name, premium, segment] }
      orders:
        call: orders.v1.Orders/ListOrders
        request: { user_id: "{user_id}", page_size: 5 }
        optional: true
        timeout: 5s
      details: { call: orders.v1.Orders/GetOrder, for_each: "{orders.orders}", request: { id: "{item.id}" }, optional: true }
      offers:
        call: offers.v1.Offers/ListOffers
        when: "{user.premium}"
        request: { segment: "{user.segment}" }
        optional: true
        timeout: 5s
      prices:
        call: offers.v1.Offers/WatchPrices
        when: "{live}"
        request: { offer_ids: "{offers.offers.id}", max_changes: "{changes}" }
        optional: true
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_backends_are_kept_well() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let setting = |copies: &[u16], admin: Option<u16>| Setting {
            address: address(8080),
            admin: admin.map(address),
            copies: copies.iter().copied().map(address).collect(),
            shop: vec![("users".into(), address(7))],
        };
        let one = setting(&[1], None).configuration();
        let head = "listeners:\n  - address: 127.0.0.1:8080\nupstreams:\n  demo: http://127.0.0.1:1\n  users: http://127.0.0.1:7\nservices:\n";
        assert_eq!(&one[..head.len()], head);
        let two = setting(&[1, 2], Some(9)).configuration();
        let head = "listeners:\n  - address: 127.0.0.1:8080\nadmin: 127.0.0.1:9\nupstreams:\n  demo:\n    targets:\n      - \
                    http://127.0.0.1:1\n      - http://127.0.0.1:2\n    health: ";
        assert_eq!(&two[..head.len()], head);
    }
}
