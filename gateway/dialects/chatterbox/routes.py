"""All paths of the dialect, without a prefix."""

from fastapi import APIRouter, Depends

from gateway.dialects.chatterbox import speech_routes
from gateway.dialects.chatterbox.errors import translate
from gateway.errors import speaks

router = APIRouter(dependencies=[Depends(speaks(translate))])
router.include_router(speech_routes.router)
