"""The same in several processes; each computes loss and gradient of its part of the batch of four."""

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from globalperc_loss import GlobalPercLoss
from photos import Photos
from student import Student

dist.init_process_group("gloo")
rank, processes = dist.get_rank(), dist.get_world_size()
batch_size = 4 // processes

torch.manual_seed(0)
photos = Photos(48)
sampler = DistributedSampler(photos)
loader = DataLoader(photos, batch_size=batch_size, sampler=sampler)
student = DistributedDataParallel(Student())
loss_fn = GlobalPercLoss(f"loss-{batch_size}.onnx")
optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)

for epoch in range(3):
    sampler.set_epoch(epoch)
    total = torch.zeros(())
    for x, y in loader:
        loss = loss_fn(student(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(x)
    dist.all_reduce(total)
    if rank == 0:
        print(f"epoch {epoch}: loss {total / len(photos):.4f}")

if rank == 0:
    torch.save(student.module.state_dict(), "student.pt")
dist.destroy_process_group()
