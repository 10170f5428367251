//! `pages.v1.Pages`.

use tonic::Request;

use super::Answer;
use crate::demo::chat::{HttpBody, page};
use crate::demo::pages_v1::{GetDashboardRequest, pages_server};

/// The page: its style and its script are in it, and their digests in its policy.
const DASHBOARD: &str = include_str!("../../../examples/dashboard/dashboard.html");

/// The service.
#[derive(Clone, Copy)]
pub(in crate::demo) struct Pages;

#[tonic::async_trait]
impl pages_server::Pages for Pages {
    async fn get_dashboard(&self, _: Request<GetDashboardRequest>) -> Answer<HttpBody> {
        Ok(page(DASHBOARD))
    }
}
