"""The HTTP routes, put together; what all of them share is `lucency.api.service`."""

from fastapi import APIRouter
from fastapi.routing import APIRoute

from lucency.api import (
    analyze_routes,
    batch_routes,
    feedback_routes,
    health_routes,
    model_routes,
    page_routes,
    pixel_routes,
)


def heads(*routers: APIRouter) -> APIRouter:
    """HEAD wherever there is GET (RFC 9110, section 9.3.2); the server leaves out the body."""
    found = APIRouter(include_in_schema=False)
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
                found.add_api_route(route.path, route.endpoint, methods=["HEAD"])
    return found


_BY_SUBJECT = (
    analyze_routes.router,
    batch_routes.router,
    pixel_routes.router,
    feedback_routes.router,
    model_routes.router,
    health_routes.router,
    page_routes.router,
)
routers: tuple[APIRouter, ...] = (*_BY_SUBJECT, heads(*_BY_SUBJECT))
