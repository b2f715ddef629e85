"""The endpoint that tutorials write: FastAPI and `ultralytics.YOLO`, nothing around them.

    PEER_WEIGHTS=best.pt PEER_IMAGE_SIZE=512 uvicorn service_plain_peer:app --port 8100

`service_speed.py` starts it, as something to compare the service with. It decodes with Pillow in
its own process whatever is sent, looks once at 8 bits in three channels, and answers with boxes,
the score and the class of each. It does not limit, queue, route, calibrate or keep a class's other
probabilities. The model is called in the event loop, as it mostly is, so requests take turns.
"""

import io
import os

from fastapi import FastAPI, UploadFile
from PIL import Image
from ultralytics import YOLO

IMAGE_SIZE = int(os.environ.get("PEER_IMAGE_SIZE", "640"))
app = FastAPI()
model = YOLO(os.environ["PEER_WEIGHTS"], task="detect")


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, object]:
    """Find boxes in an uploaded image."""
    image = Image.open(io.BytesIO(await file.read())).convert("RGB")
    result = model(image, imgsz=IMAGE_SIZE, verbose=False)[0]
    boxes = [
        {
            "box": box.xyxy[0].tolist(),
            "label": result.names[int(box.cls)],
            "score": float(box.conf),
        }
        for box in result.boxes
    ]
    return {"boxes": boxes}


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer once the model is loaded."""
    return {"status": "ok"}
