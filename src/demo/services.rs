//! What a backend answers: its services by name, reflection, health checks, and errors where it is told to fail.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::World;
use super::backend::{Health, Kind, SLOWER_BY};
use super::bookstore_v1::bookstore_server::BookstoreServer;
use super::chat_v1::chat_server::ChatServer;
use super::offers_v1::offers_server::OffersServer;
use super::orders_v1::orders_server::OrdersServer;
use super::pages_v1::pages_server::PagesServer;
use super::shop::{Offers, Orders, Pages, Users};
use super::users_v1::users_server::UsersServer as UsersV1;
use super::users_v2::users_server::UsersServer as UsersV2;
use super::{CHAT_DESCRIPTORS, DESCRIPTORS, SHOP_DESCRIPTORS};

/// The longest request, in bytes. A book is much smaller, and so is a message of the chat.
const MAX_REQUEST: usize = 64 << 10;

/// What health checks are asked by.
const HEALTH: &str = "grpc.health.v1.Health";

type Answer = BoxFuture<http::Response<Body>, Infallible>;
type Handler = Arc<dyn Fn(http::Request<Body>) -> Answer + Send + Sync>;

/// The services of a backend, chosen by the first segment of the path.
#[derive(Clone)]
pub(super) struct Services {
    by_name: Arc<BTreeMap<&'static str, Handler>>,
    health: watch::Receiver<Health>,
}

impl Services {
    /// The services of a kind of backend, which is as `health` says.
    ///
    /// # Errors
    /// The descriptors that are built in cannot be read.
    pub(super) fn new(kind: Kind, world: &World, health: watch::Receiver<Health>) -> io::Result<Self> {
        let mut served = Served(BTreeMap::new());
        match kind {
            Kind::Bookstore => {
                served.add(
                    BookstoreServer::new(world.bookstore.clone()).max_decoding_message_size(MAX_REQUEST),
                );
                served.add(ChatServer::new(world.chat.clone()).max_decoding_message_size(MAX_REQUEST));
            }
            Kind::Users => {
                served.add(UsersV1::new(Users).max_decoding_message_size(MAX_REQUEST));
                served.add(UsersV2::new(Users).max_decoding_message_size(MAX_REQUEST));
            }
            Kind::Orders => served.add(OrdersServer::new(Orders).max_decoding_message_size(MAX_REQUEST)),
            Kind::Offers => served.add(OffersServer::new(Offers).max_decoding_message_size(MAX_REQUEST)),
            Kind::Pages => served.add(PagesServer::new(Pages).max_decoding_message_size(MAX_REQUEST)),
        }
        let names: Vec<_> = served.0.keys().copied().collect();
        let reflection = || {
            let builder = tonic_reflection::server::Builder::configure().include_reflection_service(false);
            let builder = names.iter().fold(builder, |builder, name| builder.with_service_name(*name));
            match kind {
                Kind::Bookstore => builder
                    .register_encoded_file_descriptor_set(DESCRIPTORS)
                    .register_encoded_file_descriptor_set(CHAT_DESCRIPTORS),
                Kind::Users | Kind::Orders | Kind::Offers | Kind::Pages => {
                    builder.register_encoded_file_descriptor_set(SHOP_DESCRIPTORS)
                }
            }
        };
        served.add(reflection().build_v1().map_err(io::Error::other)?);
        served.add(reflection().build_v1alpha().map_err(io::Error::other)?);
        served.0.insert(HEALTH, Arc::new(move |request| check(names.clone(), request)));
        Ok(Self { by_name: Arc::new(served.0), health })
    }
}

/// Services that are being brought together.
struct Served(BTreeMap<&'static str, Handler>);

impl Served {
    fn add<S>(&mut self, service: S)
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.0.insert(S::NAME, Arc::new(move |request| Box::pin(service.clone().call(request))));
    }
}

impl Service<http::Request<Body>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let path = request.uri().path();
        let service = path.split('/').nth(1).unwrap_or_default();
        let Some(handler) = self.by_name.get(service) else {
            let names = self.by_name.keys().copied().collect::<Vec<_>>().join(", ");
            let text = format!("This backend has no method {path}. It serves {names}.");
            return Box::pin(ready(Ok(Status::unimplemented(text).into_http())));
        };
        // Checks go on, so that it is the calls by which others find out how it is.
        let health = if service == HEALTH { Health::Well } else { *self.health.borrow() };
        match health {
            Health::Failing => {
                let status = Status::unavailable("This backend was told to fail.");
                Box::pin(ready(Ok(status.into_http())))
            }
            Health::Slow => {
                let handler = Arc::clone(handler);
                Box::pin(async move {
                    tokio::time::sleep(SLOWER_BY).await;
                    handler(request).await
                })
            }
            Health::Well | Health::Hanging | Health::Gone => handler(request),
        }
    }
}

/// `grpc.health.v1.Health`, of which there is only `Check`: who asks for `Watch` is told to check.
fn check(names: Vec<&'static str>, request: http::Request<Body>) -> Answer {
    if request.uri().path() != "/grpc.health.v1.Health/Check" {
        let status =
            Status::unimplemented("This backend answers grpc.health.v1.Health/Check and nothing else of it.");
        return Box::pin(ready(Ok(status.into_http())));
    }
    Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(Checks(names), request).await) })
}

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct CheckRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct CheckResponse {
    /// 1 is SERVING.
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

/// The services that are well, which are all that are served.
struct Checks(Vec<&'static str>);

impl UnaryService<CheckRequest> for Checks {
    type Response = CheckResponse;
    type Future = std::future::Ready<Result<Response<CheckResponse>, Status>>;

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let service = &request.get_ref().service;
        ready(if service.is_empty() || self.0.contains(&service.as_str()) {
            Ok(Response::new(CheckResponse { status: 1 }))
        } else {
            Err(Status::not_found(format!("This backend has no service {service}.")))
        })
    }
}
