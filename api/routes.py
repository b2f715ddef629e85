"""The HTTP routes, put together; what all of them share is `lucency.api.service`."""

from fastapi import APIRouter

from lucency.api import (
    analyze_routes,
    batch_routes,
    feedback_routes,
    health_routes,
    model_routes,
    page_routes,
    pixel_routes,
)

routers: tuple[APIRouter, ...] = (
    analyze_routes.router,
    batch_routes.router,
    pixel_routes.router,
    feedback_routes.router,
    model_routes.router,
    health_routes.router,
    page_routes.router,
)
