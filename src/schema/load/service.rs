//! The second pass: services, methods and their HTTP annotations.

use prost::Message;

use super::{Loader, MAX_MEMBERS, Scope, repeated};
use crate::schema::descriptor;
use crate::schema::method::{Method, Service};
use crate::schema::names::NameIndex;
use crate::schema::rule::HttpRule;

impl Loader {
    pub(super) fn define_service(&mut self, scope: &Scope<'_>, wire: &[u8]) {
        let service = match descriptor::Service::read(wire) {
            Ok(service) => service,
            Err(error) => return self.broken(scope.file, scope.name, error),
        };
        let full_name = scope.join(service.name);
        let name = self.names.intern(&full_name);
        let inner = Scope { name: &full_name, ..*scope };
        if service.name.is_empty() {
            self.problems.add(scope.file, &full_name, "the service has no name");
        }
        if service.methods.len() > MAX_MEMBERS {
            let text = format!("the service has more than {MAX_MEMBERS} methods");
            return self.problems.add(scope.file, &full_name, text);
        }
        let methods: Box<[_]> = service.methods.iter().filter_map(|wire| self.method(&inner, wire)).collect();
        for name in repeated(methods.iter().map(|method: &Method| self.names.text(method.name))) {
            let element = inner.join(name);
            self.problems.add(scope.file, &element, "two methods of the service have this name");
        }
        self.services.push(Service { name, methods, by_name: NameIndex::default() });
        let Self { names, services, service_index, .. } = self;
        let name_of = |at: u32| names.text(services[at as usize].name);
        if !service_index.insert(services.len() as u32 - 1, name_of) {
            self.problems.add(scope.file, &full_name, "this service is defined twice in the descriptors");
        }
    }

    fn method(&mut self, scope: &Scope<'_>, wire: &[u8]) -> Option<Method> {
        let (method, options) = descriptor::Method::read(wire)
            .and_then(|method| Ok((descriptor::MethodOptions::read(method.options)?, method)))
            .map(|(options, method)| (method, options))
            .map_err(|error| self.broken(scope.file, scope.name, error))
            .ok()?;
        let element = scope.join(method.name);
        if method.name.is_empty() {
            self.problems.add(scope.file, &element, "the method has no name");
        }
        Some(Method {
            name: self.names.intern(method.name),
            input: self.resolve_message(scope, &element, method.input)?,
            output: self.resolve_message(scope, &element, method.output)?,
            client_streaming: method.client_streaming != 0,
            server_streaming: method.server_streaming != 0,
            idempotent: matches!(options.idempotency, 1 | 2),
            safe: options.idempotency == 1,
            rule: self.rule(scope, &element, options.http)?,
        })
    }

    /// The annotation, if there is one; nothing at all after a problem.
    #[expect(clippy::option_option, reason = "absent and broken are two things")]
    fn rule(&mut self, scope: &Scope<'_>, element: &str, wire: &[u8]) -> Option<Option<Box<HttpRule>>> {
        if wire.is_empty() {
            return Some(None);
        }
        match HttpRule::decode(wire) {
            Ok(rule) => Some(Some(Box::new(rule))),
            Err(_) => {
                let text = "its google.api.http annotation is not a valid HttpRule";
                self.problems.add(scope.file, element, text);
                None
            }
        }
    }
}
