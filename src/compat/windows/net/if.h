#pragma once

#include <sys/socket.h>

#include <netioapi.h>
